"""What a run will cost, before it is run: measured on this machine with these texts for a second or two.

Seconds come from timing a few real passes and steps; memory from the process as it stands after them, plus
what a larger step keeps for its backward pass (counted, not guessed), gradients and the optimiser's state.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lightune.backbones.base import Backbone
from lightune.backbones.precision import Speeds, measured_speeds
from lightune.backbones.streams import seconds_a_token
from lightune.core.machine import memory_bytes
from lightune.core.tokens import Batch, Ints, Tokens
from lightune.engine.batches import epoch_steps, reading_batches
from lightune.engine.optimizers import FLOAT, Kind, kept_bytes

SAMPLE_SECONDS = 0.5  # for each of the three measurements: two seconds in all
SAMPLE_SHARE = 0.02  # of the training time that the first passes foretell, where that is less
FEW_TOKENS = 20_000  # a few seconds' worth: not worth a choice of arithmetic
SAMPLE_ROWS, FEW_ROWS = 32, 4


@dataclass(frozen=True)
class Calibration:
    """Measured on this machine: seconds per padded token, and bytes.

    Attributes:
        plain: the whole network in float32, no gradient: the unit of `backbone_passes`.
        below: the frozen part, in the arithmetic of the run; 0 where there is none.
        forward: logits of held-out rows, from what is stored; step: the same with its backward pass.
        tested: the same, once training is over and an adapter is merged.
        step_seconds: what a step costs beside its tokens: the optimiser.
        saved_bytes: what one padded token of a training step keeps for the backward pass.
        kept_bytes: gradients and the optimiser's state, of all that trains in one step.
        base_bytes: the process after the sample steps, with all that the libraries keep;
            sampled_tokens: padded tokens of the largest of them.
    """

    plain: float
    below: float
    forward: float
    tested: float
    step: float
    step_seconds: float
    saved_bytes: float
    kept_bytes: int
    base_bytes: int
    sampled_tokens: int


@dataclass(frozen=True)
class Cost:
    """A predicted cost, the units of the contract: seconds and bytes."""

    seconds: float
    peak_memory_bytes: int
    trainable_parameters: int
    cached_depth: int

    def as_json(self, name: str) -> dict[str, Any]:
        """The entry of `plan`'s JSON."""
        return {"name": name, **vars(self)}


@dataclass(frozen=True)
class Sizes:
    """How much there is to do: padded tokens, fixed seconds, and bytes beside the training step's."""

    train_tokens: int
    held_tokens: int
    test_tokens: int
    missing_tokens: int
    biggest_piece: int
    epochs: float
    validations: int
    steps: int
    fixed_seconds: float
    held_bytes: int


def time_passes(run: Callable[[Batch], Any], batches: list[Batch], seconds: float) -> float:
    """Seconds per padded token of `run`: the median of each batch, over all batches, for about `seconds`."""
    run(batches[0])
    taken: list[list[float]] = [[] for _ in batches]
    began = time.perf_counter()
    for number in range(len(batches) * 8):
        start = time.perf_counter()
        run(batches[number % len(batches)])
        taken[number % len(batches)].append(time.perf_counter() - start)
        if time.perf_counter() - began > seconds:
            break
    timed = [(np.median(times), batch) for times, batch in zip(taken, batches, strict=True) if times]
    return float(sum(one for one, _ in timed) / sum(batch.num_padded_tokens for _, batch in timed))


def time_streams(run: Callable[[Batch], Any], batches: list[Batch], seconds: float, streams: int) -> float:
    """The same of so many passes at once: one each, and on until `seconds` are over."""
    if streams < 2:
        return time_passes(run, batches, seconds)
    free = threading.Semaphore(streams)

    def read(batch: Batch) -> None:
        try:
            with torch.no_grad():
                run(batch)
        finally:
            free.release()

    def some() -> Iterator[Batch]:
        began = time.perf_counter()
        for number, batch in enumerate(itertools.cycle(batches)):
            free.acquire()  # no pass waits for another, so that none begins too late
            if number >= streams and time.perf_counter() - began > seconds:
                return
            yield batch

    with torch.no_grad():
        run(batches[0])
    return seconds_a_token(read, some(), streams)


def sample_batches(
    backbone: Backbone, tokens: Tokens, rows: Ints, *, batch_rows: int, batch_tokens: int
) -> list[Batch]:
    """A few training batches of ordinary lengths."""
    steps = epoch_steps(tokens, rows, batch_rows=batch_rows, batch_tokens=batch_tokens, seed=0, epoch=0)
    pieces = [step.pieces[0] for step in steps]
    chosen = [pieces[place] for place in np.linspace(0, len(pieces) - 1, min(6, len(pieces))).astype(int)]
    return [tokens.batch(piece, pad_id=backbone.pad_id, device=backbone.device) for piece in chosen]


def speeds_here(
    backbone: Backbone,
    forward: Callable[[Batch], Any],
    tokens: Tokens,
    rows: Ints,
    *,
    batch_tokens: int,
    streams: int,
) -> Speeds | None:
    """How fast `forward` is in each arithmetic on batches of these texts; None for too few to matter.

    `streams`: how many passes run at once.
    """
    if tokens.num_tokens < FEW_TOKENS:
        return None
    some, few = (
        sample_batches(backbone, tokens, rows, batch_rows=number, batch_tokens=batch_tokens)
        for number in (SAMPLE_ROWS, FEW_ROWS)
    )
    digest, device = backbone.digest + backbone.storage, backbone.device
    return measured_speeds(forward, few[0], some[::3], digest=digest, device=device, streams=streams)


@dataclass(frozen=True)
class Passes:
    """What is to be timed, each a function of a batch.

    Attributes:
        plain: the whole network; below: its frozen part, None when nothing is to be read; forward: logits as
            the run gets them; step_loss: the mean loss of a training step.
        start_training: dropout on, and what trains in a step requires a gradient.
        plain_speed: padded tokens a second of `plain`, where that is known already; merged_speed: of the
            network with its adapter merged, likewise. None: `forward` stays what it is.
        streams_below, streams_forward: how many passes of these run at once.
    """

    model: torch.nn.Module
    plain: Callable[[Batch], Any]
    below: Callable[[Batch], Any] | None
    forward: Callable[[Batch], Any]
    step_loss: Callable[[Batch], torch.Tensor]
    start_training: Callable[[], None]
    make_optimizer: Callable[[], torch.optim.Optimizer]
    kind: Kind
    plain_speed: float | None = None
    merged_speed: float | None = None
    streams_below: int = 1
    streams_forward: int = 1


def calibrate(passes: Passes, batches: list[Batch], train_tokens: int) -> Calibration:
    """Time a few passes and training steps: about two seconds, less for a run of few `train_tokens`.

    The weights, what of them trains, their gradients and the random state are left as they were.
    """
    model = passes.model
    trains = {one: one.requires_grad for one in model.parameters()}
    random = torch.get_rng_state()
    model.eval()
    with torch.no_grad():
        began = time.perf_counter()
        passes.plain(batches[0])
        first = (time.perf_counter() - began) / batches[0].num_padded_tokens
        patience = min(SAMPLE_SECONDS, SAMPLE_SHARE * first * train_tokens)
        known = passes.plain_speed
        plain = 1 / known if known else time_passes(passes.plain, batches, patience)
        below = time_streams(passes.below, batches, patience, passes.streams_below) if passes.below else 0.0
        forward = time_streams(passes.forward, batches, patience / 2, passes.streams_forward)
    passes.start_training()

    def one_step(batch: Batch) -> None:
        if passes.kind.goes_back:
            passes.step_loss(batch).backward()  # type: ignore[no-untyped-call]
            return
        with torch.no_grad():
            for _ in range(2):
                passes.step_loss(batch)

    weights = {one.untyped_storage().data_ptr() for one in model.parameters()}
    saved = _saved_bytes(lambda: one_step(batches[0]), weights) / batches[0].num_padded_tokens
    step = time_passes(one_step, batches, 2 * patience)
    step_seconds = _optimizer_seconds(passes.make_optimizer())
    kept = kept_bytes(model, passes.kind)
    torch.set_rng_state(random)
    for parameter, is_trained in trains.items():
        parameter.requires_grad_(is_trained).grad = None
    model.eval()
    tested = 1 / passes.merged_speed if passes.merged_speed else forward
    sampled = max(batch.num_padded_tokens for batch in batches)
    return Calibration(
        plain, below, forward, tested, step, step_seconds, saved, kept, memory_bytes(), sampled
    )


def _optimizer_seconds(optimizer: torch.optim.Optimizer) -> float:
    """Seconds of clipping and of a step of the optimiser, at a rate of 0 so that nothing moves."""
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    optimizer.step(lambda: 0.0)  # makes its state
    began = time.perf_counter()
    for _ in range(2):
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step(lambda: 0.0)
    return (time.perf_counter() - began) / 2


def predict_cost(calibration: Calibration, sizes: Sizes, *, num_trainable: int, depth: int) -> Cost:
    """Seconds and bytes of a whole run: read once, train the epochs, validate each, test once."""
    reading = calibration.below * sizes.missing_tokens
    evaluating = calibration.forward * sizes.held_tokens * sizes.validations
    evaluating += calibration.tested * sizes.test_tokens
    training = calibration.step * sizes.train_tokens * sizes.epochs + calibration.step_seconds * sizes.steps
    peak = (
        calibration.base_bytes
        + calibration.saved_bytes * max(0, sizes.biggest_piece - calibration.sampled_tokens)
        + calibration.kept_bytes
        + FLOAT * num_trainable  # the best weights so far
        + sizes.held_bytes
    )
    seconds = sizes.fixed_seconds + reading + training + evaluating
    return Cost(seconds, int(peak), num_trainable, depth)


def padded_tokens(tokens: Tokens, rows: Ints, batch_tokens: int) -> int:
    """Padded tokens of reading `rows` once in batches of like length."""
    longest, windows = tokens.example_lengths, np.diff(tokens.windows)
    return sum(
        int(longest[part].max() * windows[part].sum()) for part in reading_batches(tokens, rows, batch_tokens)
    )


def _saved_bytes(run: Callable[[], None], weights: set[int]) -> int:
    """Bytes of all tensors that `run` keeps for its backward pass, each counted once, weights not."""
    seen: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run()
    return sum(seen.values())
