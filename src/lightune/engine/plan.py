"""What a run will cost, before it is run: measured on this machine with these texts for a second or two.

Seconds come from timing a few real passes and steps; memory from the process as it stands plus what a step
keeps for its backward pass (counted, not guessed), gradients and the optimiser's state.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lightune.backbones.base import Backbone, Tap
from lightune.core.machine import memory_bytes
from lightune.core.tokens import Batch, Ints, Tokens, pool_windows
from lightune.engine.batches import epoch_steps, reading_batches

SAMPLE_SECONDS = 0.7  # for each of the three measurements: two seconds in all
SAMPLE_SHARE = 0.02  # of the training time that the first passes foretell, where that is less
OPTIMIZER_COPIES = {"adamw": 2, "adam": 2, "sgd": 1}
FLOAT = 4


@dataclass(frozen=True)
class Calibration:
    """Measured on this machine: seconds per padded token, and bytes.

    Attributes:
        forward: the whole network, no gradient; below: its frozen part; step: a training step above the cut.
        saved_bytes: what one padded token of a training step keeps for the backward pass.
        base_bytes: the process before training.
    """

    forward: float
    below: float
    step: float
    saved_bytes: float
    base_bytes: int


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
    """How much there is to do: padded tokens, and fixed seconds."""

    train_tokens: int
    held_tokens: int
    test_tokens: int
    missing_tokens: int
    biggest_piece: int
    epochs: int
    steps: int
    fixed_seconds: float


def time_passes(run: Callable[[Batch], Any], batches: list[Batch], seconds: float) -> float:
    """Seconds per padded token of `run`, the median over batches for about `seconds`."""
    run(batches[0])
    rates = []
    began = time.perf_counter()
    for batch in batches * 8:
        start = time.perf_counter()
        run(batch)
        rates.append((time.perf_counter() - start) / batch.num_padded_tokens)
        if time.perf_counter() - began > seconds:
            break
    return float(np.median(rates))


def sample_batches(
    backbone: Backbone, tokens: Tokens, rows: Ints, *, batch_rows: int, batch_tokens: int
) -> list[Batch]:
    """A few training batches of ordinary lengths."""
    steps = epoch_steps(tokens, rows, batch_rows=batch_rows, batch_tokens=batch_tokens, seed=0, epoch=0)
    pieces = [step.pieces[0] for step in steps]
    chosen = [pieces[place] for place in np.linspace(0, len(pieces) - 1, min(6, len(pieces))).astype(int)]
    return [tokens.batch(piece, pad_id=backbone.pad_id, device=backbone.device) for piece in chosen]


def calibrate(
    backbone: Backbone,
    batches: list[Batch],
    tap: Tap,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    targets: Callable[[int], torch.Tensor],
    train_tokens: int,
    stored: Callable[[Batch], torch.Tensor] | None = None,
) -> Calibration:
    """Time the whole forward, the part below the cut, and a training step above it.

    `targets(n)` gives n targets of any value: the cost does not depend on them. `train_tokens` is what the
    run will train on in all: a short run is calibrated more briefly.
    `stored` reads activations that are on disk already: then nothing is sent through the frozen part.
    """
    base = memory_bytes()
    backbone.model.eval()
    with torch.no_grad():
        began = time.perf_counter()
        backbone.forward(batches[0])
        first = (time.perf_counter() - began) / batches[0].num_padded_tokens
        patience = min(SAMPLE_SECONDS, SAMPLE_SHARE * first * train_tokens)
        forward = time_passes(backbone.forward, batches, patience)
    is_cut = tap.depth > 0
    below = 0.0
    if is_cut and stored is None:
        below = time_passes(lambda batch: backbone.below(batch, [tap]), batches, patience)
    read = stored or (lambda batch: backbone.below(batch, [tap])[tap].clone())
    hidden = {id(batch): read(batch) for batch in batches} if is_cut else {}
    backbone.set_training(tap.depth)

    def one_step(batch: Batch) -> None:
        logits = backbone.above(hidden[id(batch)], batch, tap) if is_cut else backbone.forward(batch)
        logits = pool_windows(logits, batch)
        loss(logits, targets(len(logits))).mean().backward()  # type: ignore[no-untyped-call]

    weights = {one.untyped_storage().data_ptr() for one in backbone.model.parameters()}
    saved = _saved_bytes(lambda: one_step(batches[0]), weights) / batches[0].num_padded_tokens
    state = torch.get_rng_state()
    step = time_passes(one_step, batches, patience)
    torch.set_rng_state(state)
    for parameter in backbone.model.parameters():
        parameter.grad = None
    backbone.model.eval()
    return Calibration(forward, below, step, saved, base)


def predict_cost(
    calibration: Calibration,
    sizes: Sizes,
    *,
    num_trainable: int,
    step_overhead: float,
    optimizer: str,
    depth: int,
    num_layers: int,
) -> Cost:
    """Seconds and bytes of a whole run: read once, train the epochs, validate each, test once."""
    reading = calibration.below * sizes.missing_tokens
    above = calibration.forward * (1 - depth / num_layers)  # held-out rows skip what is stored
    evaluating = above * (sizes.held_tokens * sizes.epochs + sizes.test_tokens)
    training = calibration.step * sizes.train_tokens * sizes.epochs + step_overhead * sizes.steps
    copies = 1 + OPTIMIZER_COPIES[optimizer] + 1  # gradient, optimiser, best weights kept
    peak = (
        calibration.base_bytes
        + calibration.saved_bytes * sizes.biggest_piece
        + copies * FLOAT * num_trainable
    )
    seconds = sizes.fixed_seconds + reading + training + max(evaluating, 0.0)
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
