"""The training loop: mini-batch gradient descent on whatever lies above the cut.

theta <- theta - rate * gradient, by one of the optimisers of `optimizers.py`. The loop is handed a `forward`
and knows neither the method nor whether the activations come from the store.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lightune.core.tokens import Batch, Ints, Tokens
from lightune.engine import checkpoint as checkpoints
from lightune.engine.batches import Step, epoch_steps, pieces
from lightune.engine.checkpoint import Checkpoint, Progress
from lightune.engine.optimizers import KINDS
from lightune.engine.predict import Forward
from lightune.engine.sieve import Sieve

if TYPE_CHECKING:
    from lightune.core.progress import Bar

ONE_CYCLE_RISE = 0.3  # Smith 2018 (arXiv:1803.09820): rise over the first third, then down to nothing
CHECKPOINT_SECONDS = 20.0
CHECKPOINT_SHARE = 0.02  # of the time at most goes into checkpoints


@dataclass(frozen=True)
class Descent:
    """The resolved settings of one training run: nothing here is None.

    `epochs` need not be whole: the last one ends early then.
    """

    epochs: float
    learning_rate: float
    head_learning_rate: float
    batch_rows: int
    batch_tokens: int
    optimizer: str
    schedule: str
    warmup: float
    weight_decay: float
    clip: float
    patience: int
    seed: int
    skip_below: float = 0.0
    later_layers: int | None = None
    keeps_best: bool = True  # by validation; else the last epoch stays, whatever validation says

    def num_steps(self, num_rows: int) -> int:
        """Steps of the optimiser in all."""
        return max(1, round(math.ceil(num_rows / self.batch_rows) * self.epochs))


@dataclass(frozen=True)
class Together:
    """A loss that holds all examples of a step against each other.

    Attributes:
        pool: outputs of a piece -> (E, ...) what is compared.
        loss: that of all pieces, and their targets -> (E,) losses.
    """

    pool: Callable[[torch.Tensor, Batch], torch.Tensor]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Ability:
    """What takes the place of parts of the loop, where a run is trained in another way.

    Attributes:
        sample: the number of an epoch -> its steps, as many as rows / batch_rows rounded up.
        step: does one step of the optimiser, as `train_step` does, and returns its mean loss.
    """

    sample: Callable[[int], list[Step]]
    step: Callable[[Work, Descent, Step, torch.optim.Optimizer], float]


@dataclass(frozen=True)
class Work:
    """What the loop works on.

    Attributes:
        model: holds the parameters; those that require a gradient are trained.
        forward: a batch -> its outputs.
        start_training: puts dropout on where it belongs.
        losses: outputs, batch, targets of its examples -> (U,), the loss of every answer.
        weigh: rows -> the number of answers, which a step's loss is the mean over.
        tokens, targets, rows: the data, and which of its rows to train on.
        validate: () -> metrics with `score`, larger is better; None without validation rows.
        together: for a loss over the whole step; None where the pieces of a step do not know each other.
        ability: steps of another kind, such as private ones; None for the usual.
        later: () -> what the epochs after the first work on (less may train); None: the same.
        choose: the number of a step -> only what trains in it requires a gradient; None: all, always.
    """

    model: nn.Module
    forward: Forward
    start_training: Callable[[], None]
    losses: Callable[[torch.Tensor, Batch, NDArray[Any]], torch.Tensor]
    weigh: Callable[[Ints], int]
    tokens: Tokens
    targets: NDArray[Any]
    rows: Ints
    pad_id: int
    device: str
    head_prefixes: tuple[str, ...]
    validate: Callable[[], dict[str, float]] | None = None
    together: Together | None = None
    ability: Ability | None = None
    later: Callable[[], Work] | None = None
    choose: Callable[[int], None] | None = None


def rate_factor(schedule: str, step: int, total: int, warmup: float) -> float:
    """The share of the peak learning rate at `step` (from 0) of `total`."""
    rise = max(1, round(total * (ONE_CYCLE_RISE if schedule == "onecycle" else warmup)))
    if schedule != "constant" and step < rise and (warmup > 0 or schedule == "onecycle"):
        return (step + 1) / rise
    if schedule == "constant":
        return 1.0
    done = (step - rise) / max(1, total - rise)
    if schedule == "linear":
        return max(0.0, 1 - done)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def parameter_groups(
    model: nn.Module, head_prefixes: tuple[str, ...], descent: Descent
) -> list[dict[str, Any]]:
    """Trainable parameters by (is head, decays): biases and normalisations do not decay."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_head = name.startswith(head_prefixes)
            groups.setdefault((is_head, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": members,
            "peak": descent.head_learning_rate if is_head else descent.learning_rate,
            "weight_decay": descent.weight_decay if decays else 0.0,
        }
        for (is_head, decays), members in sorted(groups.items())
    ]


def make_optimizer(groups: list[dict[str, Any]], descent: Descent) -> torch.optim.Optimizer:
    """The optimiser that was asked for, at the peak rate where a group names no other."""
    groups = [{"lr": descent.learning_rate, **group} for group in groups]
    return KINDS[descent.optimizer].make(groups, descent.clip)


def fit(work: Work, descent: Descent, *, folder: Path | None, bar: Bar | None) -> Progress:
    """Train, keep the best epoch's weights in the model, and say how it went.

    Checkpoints go to `folder` (None: none are written), where an earlier run's checkpoint is taken up.
    """
    torch.manual_seed(descent.seed)  # dropout must not depend on what was calibrated before
    named = {name: one for name, one in work.model.named_parameters() if one.requires_grad}
    optimizer = make_optimizer(parameter_groups(work.model, work.head_prefixes, descent), descent)
    progress, best = Progress(meant_epochs=descent.epochs), {}
    earlier = checkpoints.load(folder) if folder else None
    if earlier is not None:
        progress, best = earlier.progress, earlier.best
        _restore(named, earlier.trained)
        checkpoints.restore_optimizer(optimizer, earlier.optimizer)
        torch.set_rng_state(earlier.random)
    keeper, sieve = _Keeper(folder, named, optimizer), Sieve(descent.skip_below, progress.easy_share)
    work = _work_of(work, descent, progress)
    num_steps, num_epochs = descent.num_steps(len(work.rows)), math.ceil(descent.epochs)
    if bar is not None:
        bar.advance(progress.step)
    while (progress.step < num_steps or progress.step_in_epoch) and not progress.is_finished:
        left = num_steps - progress.step
        work.start_training()
        for step in _steps_of(work, descent, progress.epoch)[progress.step_in_epoch :][:left]:
            began = time.perf_counter()
            _set_rates(optimizer, descent, progress.step, num_steps)
            if work.choose is not None:
                work.choose(progress.step)
                _forget_idle(optimizer)
            if work.ability is not None:
                loss = work.ability.step(work, descent, step, optimizer)
            else:
                loss = train_step(work, descent, step, optimizer, sieve)
            progress.easy_share = sieve.share
            progress.step_losses.append(loss)
            progress.step += 1
            progress.step_in_epoch += 1
            progress.seconds += time.perf_counter() - began
            if bar is not None:
                bar.advance(1, note=f"epoch {progress.epoch + 1}/{num_epochs}  loss {loss:.3f}")
            keeper.save_now_and_then(progress, best)
        best = _end_epoch(work, descent, progress, named, best)
        keeper.save(progress, best)
        work = _work_of(work, descent, progress)
    if work.choose is not None:
        for parameter in named.values():
            parameter.requires_grad_(True)
    if best:
        _restore(named, best)
    return progress


def _steps_of(work: Work, descent: Descent, epoch: int) -> list[Step]:
    if work.ability is not None:
        return work.ability.sample(epoch)
    return epoch_steps(
        work.tokens,
        work.rows,
        batch_rows=descent.batch_rows,
        batch_tokens=descent.batch_tokens,
        seed=descent.seed,
        epoch=epoch,
    )


def _work_of(work: Work, descent: Descent, progress: Progress) -> Work:
    """What is worked on after the epochs that are done."""
    is_over = progress.is_finished or progress.epoch >= descent.epochs
    return work.later() if work.later is not None and progress.epoch > 0 and not is_over else work


def train_step(
    work: Work, descent: Descent, step: Step, optimizer: torch.optim.Optimizer, sieve: Sieve
) -> float:
    """One step of the optimiser over all pieces of `step`; returns its mean loss over all answers."""
    if not KINDS[descent.optimizer].goes_back:
        return float(optimizer.step(lambda: step_loss(work, step)))
    optimizer.zero_grad(set_to_none=True)
    total, weight = 0.0, max(1, sum(work.weigh(piece) for piece in step.pieces))
    if work.together is not None and len(step.pieces) > 1:
        total = _backward_together(work, work.together, step, weight)
    else:
        rows_of, left = step.pieces, 0.0
        sieve.start_step()
        if sieve.is_open:
            hard, left = sieve.sift(lambda piece: _losses(work, piece), step.pieces)
            rows_of = tuple(pieces(work.tokens, hard, descent.batch_tokens))
        total = left / weight
        for piece in rows_of:
            losses = _losses(work, piece)
            sieve.saw(losses, piece)
            loss = losses.sum() / weight
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
    if descent.clip > 0:
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        nn.utils.clip_grad_norm_(parameters, descent.clip)
    optimizer.step()
    return total


@torch.no_grad()
def step_loss(work: Work, step: Step) -> float:
    """The mean loss of a step over all its answers, for optimisers that need no gradient."""
    weight = max(1, sum(work.weigh(piece) for piece in step.pieces))
    if work.together is None or len(step.pieces) == 1:
        return sum(float(_losses(work, piece).sum()) for piece in step.pieces) / weight
    batches = [work.tokens.batch(piece, pad_id=work.pad_id, device=work.device) for piece in step.pieces]
    whole = torch.cat([work.together.pool(work.forward(batch), batch) for batch in batches])
    targets = torch.as_tensor(work.targets[np.concatenate(step.pieces)], device=whole.device)
    return float(work.together.loss(whole, targets).sum()) / weight


def _forget_idle(optimizer: torch.optim.Optimizer) -> None:
    """Drop gradients and state of what does not train in this step."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if not parameter.requires_grad:
                parameter.grad = None
                optimizer.state.pop(parameter, None)


def _losses(work: Work, piece: Ints) -> torch.Tensor:
    """(U,) the loss of every answer of some rows."""
    batch = work.tokens.batch(piece, pad_id=work.pad_id, device=work.device)
    return work.losses(work.forward(batch), batch, work.targets[piece])


def _backward_together(work: Work, together: Together, step: Step, weight: int) -> float:
    """Gradients of a loss over the whole step in the memory of one piece (Gao et al. 2021, arXiv:2101.06983).

    Every piece runs without gradients; the loss over all gives the gradient of what is compared; every
    piece runs again, with the same dropout, and passes its share on.
    """
    batches = [work.tokens.batch(piece, pad_id=work.pad_id, device=work.device) for piece in step.pieces]
    states, parts = [], []
    with torch.no_grad():
        for batch in batches:
            states.append(_random_state(work.device))
            parts.append(together.pool(work.forward(batch), batch))
    whole = torch.cat(parts).requires_grad_()
    targets = torch.as_tensor(work.targets[np.concatenate(step.pieces)], device=whole.device)
    loss = together.loss(whole, targets).sum() / weight
    (gradient,) = torch.autograd.grad(loss, whole)
    after = _random_state(work.device)
    shares = torch.split(gradient, [len(part) for part in parts])
    for batch, state, share in zip(batches, states, shares, strict=True):
        _set_random_state(work.device, state)
        together.pool(work.forward(batch), batch).backward(share)  # type: ignore[no-untyped-call]
    _set_random_state(work.device, after)
    return float(loss.detach())


def _random_state(device: str) -> tuple[torch.Tensor, ...]:
    """Of the processor, and of the GPU that dropout runs on."""
    own = torch.get_rng_state()
    return (own, torch.cuda.get_rng_state()) if device == "cuda" else (own,)


def _set_random_state(device: str, state: tuple[torch.Tensor, ...]) -> None:
    torch.set_rng_state(state[0])
    if device == "cuda":
        torch.cuda.set_rng_state(state[1])


def _set_rates(optimizer: torch.optim.Optimizer, descent: Descent, step: int, total: int) -> None:
    factor = rate_factor(descent.schedule, step, total, descent.warmup)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


def _end_epoch(
    work: Work,
    descent: Descent,
    progress: Progress,
    named: dict[str, nn.Parameter],
    best: dict[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """Validate, remember the best weights, decide whether to stop."""
    losses = progress.step_losses[-progress.step_in_epoch :]
    before = sum(one.get("seconds", 0.0) for one in progress.epochs)
    row = {
        "epoch": float(min(progress.epoch + 1, descent.epochs)),
        "train_loss": sum(losses) / len(losses),
        "seconds": progress.seconds - before,
    }
    progress.epoch += 1
    progress.step_in_epoch = 0
    if work.validate is not None:
        row |= work.validate()
        losses_before = [one["validation_loss"] for one in progress.epochs if "validation_loss" in one]
        is_closer = row.get("validation_loss", math.inf) < min(losses_before, default=math.inf)
        # An F1 of 0 may stay 0 for some epochs while the loss falls: that is no standstill.
        if row["score"] > progress.best_score or (row["score"] == progress.best_score and is_closer):
            progress.risen_epoch = progress.epoch
        if row["score"] >= progress.best_score:  # of equal epochs the later one, with the lower rate
            progress.best_score, progress.best_epoch = row["score"], progress.epoch
            if descent.keeps_best:
                best = {name: one.detach().clone() for name, one in named.items()}
        is_stale = progress.epoch - progress.risen_epoch >= descent.patience > 0
        progress.is_finished = is_stale or not math.isfinite(row["train_loss"])
    progress.epochs.append(row)
    return best


def _restore(named: dict[str, nn.Parameter], tensors: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, one in named.items():
            one.copy_(tensors[name])


class _Keeper:
    """Writes checkpoints often enough to lose little, seldom enough to cost little."""

    def __init__(
        self, folder: Path | None, named: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer
    ) -> None:
        self.folder, self.named, self.optimizer = folder, named, optimizer
        self.last = time.monotonic()
        self.interval = CHECKPOINT_SECONDS

    def save_now_and_then(self, progress: Progress, best: dict[str, torch.Tensor]) -> None:
        if self.folder is not None and time.monotonic() - self.last > self.interval:
            self.save(progress, best)

    def save(self, progress: Progress, best: dict[str, torch.Tensor]) -> None:
        if self.folder is None:
            return
        began = time.monotonic()
        trained = {name: one.detach() for name, one in self.named.items()}
        state = checkpoints.optimizer_tensors(self.optimizer)
        checkpoints.save(self.folder, Checkpoint(progress, trained, best, state, torch.get_rng_state()))
        self.last = time.monotonic()
        self.interval = max(CHECKPOINT_SECONDS, (self.last - began) / CHECKPOINT_SHARE)
