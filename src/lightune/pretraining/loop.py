"""The loop of pre-training: steps, not rows, measured on held-out text, ended by steps, time or standstill.

theta <- theta - rate * gradient with AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101). A killed run goes
on from its checkpoint and gives the same losses, unless a budget of time decides how long it learns.
"""

from __future__ import annotations

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from lightune.core.errors import UserError
from lightune.core.paths import write_whole
from lightune.core.progress import Show
from lightune.engine import checkpoint as checkpoints
from lightune.engine.checkpoint import Checkpoint, Progress
from lightune.engine.loop import CHECKPOINT_SECONDS, CHECKPOINT_SHARE, rate_factor
from lightune.engine.optimizers import fused

if TYPE_CHECKING:
    from lightune.core.progress import Bar

PARTS = 100_000  # the schedule is read off in so many parts of the whole
CARRIED = "carried/"
SAMPLES = "samples.json"
MEASURING_SHARE = 0.15  # of a budget at most goes into measuring
SMOOTHING = 0.05  # weight of the newest step in the loss that the bar shows


class Learner(ABC):
    """What is learnt: a network, its next batch, and how good it is.

    Attributes:
        network: trained in place.
        steps_an_epoch, tokens_a_step: numbers.
    """

    network: nn.Module
    steps_an_epoch: int
    tokens_a_step: int

    @abstractmethod
    def descend(self, step: int) -> float:
        """Add the gradients of step `step` (from 0, through all epochs); returns nats a predicted token."""

    @abstractmethod
    def measure(self) -> float:
        """Bits per byte of held-out text."""

    def show(self) -> str:
        """A text that the network writes now; "" where it does not write."""
        return ""

    def carried(self) -> dict[str, torch.Tensor]:
        """What one step hands to the next beside the weights: a checkpoint keeps it."""
        return {}

    def carry(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """The reverse of `carried`."""
        assert not tensors, "this learner carries nothing"


class Journal(Protocol):
    """Where measurements and samples are told."""

    rows: list[dict[str, float]]
    samples: list[tuple[int, str]]


@dataclass(frozen=True)
class Plan:
    """The resolved settings of a run: nothing here is None.

    Attributes:
        steps: most steps; seconds: most time, counted over resumed runs too; inf: no such end.
        stop_after: measurements after which it ends, whatever else; 0: never.
        head_first: share of the run in which only `head` (parts of parameters' names) learns.
    """

    steps: int
    learning_rate: float
    schedule: str
    warmup: float
    weight_decay: float
    clip: float
    measurements: int
    patience: int
    seed: int
    seconds: float = math.inf
    stop_after: int = 0
    head_first: float = 0.0
    head: tuple[str, ...] = ()


@dataclass
class _State:
    """Where a run is; `progress.epoch` counts the parts of it that were measured."""

    progress: Progress
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    smooth: float = math.nan
    saved_at: float = 0.0
    save_every: float = CHECKPOINT_SECONDS
    measuring: float = 0.0  # seconds of all measurements, and of the last
    last_measuring: float = 0.0
    round_seconds: float = 0.0
    round_step: int = 0

    def share(self, plan: Plan) -> float:
        """How much of the run is done."""
        return max(self.progress.step / plan.steps, self.progress.seconds / plan.seconds)

    def part(self, plan: Plan) -> int:
        """How many parts of the run are done, each ending with a measurement."""
        return math.floor(min(self.share(plan), 1.0) * plan.measurements + 1e-9)

    def can_measure(self, plan: Plan) -> bool:
        """Whether measuring stays a small share of the time; always at the end, and where no time is set."""
        if math.isinf(plan.seconds) or plan.stop_after or self.share(plan) >= 1:
            return True
        return self.measuring + self.last_measuring <= MEASURING_SHARE * self.progress.seconds

    def start_round(self) -> None:
        """Count the speed from here."""
        self.round_seconds, self.round_step = self.progress.seconds, self.progress.step


def fit(learner: Learner, plan: Plan, journal: Journal, *, folder: Path | None, show: Show) -> Progress:
    """Learn, keep the weights of the best measurement, and say how it went.

    Checkpoints go to `folder` (None: none are written), where an earlier one is taken up.

    Raises:
        UserError: the learning rate was too high from the start.
    """
    torch.manual_seed(plan.seed)
    network = learner.network
    named = dict(network.named_parameters())
    optimizer = fused(torch.optim.AdamW, _groups(network, plan), lr=plan.learning_rate)
    state = _State(Progress(), saved_at=time.monotonic())
    keeper = _Keeper(folder, learner, named, optimizer, journal)
    keeper.take_up(state)
    with show.bar("learning", 1.0) as bar:
        bar.advance(state.share(plan))
        _go_on(learner, plan, state, keeper, bar)
    if not state.best:
        hint = "Take a smaller one: --train.learning-rate 1e-4."
        raise UserError("the loss is no number any more: the learning rate is too high", hint=hint)
    with torch.no_grad():
        for name, one in named.items():
            one.copy_(state.best[name])
    network.eval()
    return state.progress


def _go_on(learner: Learner, plan: Plan, state: _State, keeper: _Keeper, bar: Bar) -> None:
    progress = state.progress
    while not progress.is_finished:
        began = time.perf_counter()
        share = state.share(plan)
        learner.network.train()
        loss = _step(learner, plan, keeper.optimizer, progress.step, share)
        progress.step_losses.append(loss)
        progress.step += 1
        state.smooth = loss if math.isnan(state.smooth) else state.smooth + SMOOTHING * (loss - state.smooth)
        progress.seconds += time.perf_counter() - began
        if state.part(plan) > progress.epoch and state.can_measure(plan):
            _measure(learner, plan, state, keeper.journal)
            keeper.save(state)
        now = state.share(plan)
        speed = _speed(learner, state)
        bar.advance(min(now, 1.0) - min(share, 1.0), note=f"loss {state.smooth:.3f}  {speed:,.0f} tokens/s")
        keeper.save_now_and_then(state)


def _step(learner: Learner, plan: Plan, optimizer: torch.optim.Optimizer, step: int, share: float) -> float:
    factor = rate_factor(plan.schedule, round(min(share, 1.0) * PARTS), PARTS, plan.warmup)
    for group in optimizer.param_groups:
        waits = share < plan.head_first and not group["is_head"]
        group["lr"] = 0.0 if waits else plan.learning_rate * max(factor, 1 / PARTS)
    optimizer.zero_grad(set_to_none=True)
    loss = learner.descend(step)
    if plan.clip > 0:
        nn.utils.clip_grad_norm_(learner.network.parameters(), plan.clip)
    optimizer.step()
    return loss


def _measure(learner: Learner, plan: Plan, state: _State, journal: Journal) -> None:
    """Measure on held-out text, remember the best weights, decide whether to stop."""
    progress = state.progress
    speed = _speed(learner, state)
    began = time.perf_counter()
    learner.network.eval()
    done = progress.epochs[-1]["step"] if progress.epochs else 0
    recent = progress.step_losses[int(done) :]
    row = {
        "step": float(progress.step),
        "epoch": progress.step / learner.steps_an_epoch,
        "train_loss": sum(recent) / len(recent),
        "bits_per_byte": learner.measure(),
        "tokens_per_second": speed,
    }
    journal.rows.append(row)
    progress.epochs.append(row)
    written = learner.show()
    if written:
        journal.samples.append((progress.step, written))
    number = len(progress.epochs)
    if -row["bits_per_byte"] > progress.best_score:
        progress.best_score, progress.best_epoch = -row["bits_per_byte"], number
        state.best = {name: one.detach().clone() for name, one in learner.network.named_parameters()}
    state.last_measuring = time.perf_counter() - began
    state.measuring += state.last_measuring
    progress.seconds += state.last_measuring
    progress.epoch = state.part(plan)
    is_stale = number - progress.best_epoch >= plan.patience > 0
    is_over = state.share(plan) >= 1 or number == plan.stop_after
    progress.is_finished = is_stale or is_over or not math.isfinite(row["train_loss"])
    state.start_round()


def _speed(learner: Learner, state: _State) -> float:
    """Tokens a second since the last measurement, measuring not counted."""
    seconds = state.progress.seconds - state.round_seconds
    return (state.progress.step - state.round_step) * learner.tokens_a_step / max(seconds, 1e-9)


def _groups(network: nn.Module, plan: Plan) -> list[dict[str, Any]]:
    """Parameters by (is head, decays): biases and normalisations do not decay."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, one in network.named_parameters():
        is_head = any(part in name for part in plan.head)
        groups.setdefault((is_head, one.ndim > 1), []).append(one)
    return [
        {"params": members, "is_head": is_head, "weight_decay": plan.weight_decay if decays else 0.0}
        for (is_head, decays), members in sorted(groups.items(), key=lambda pair: pair[0])
    ]


class _Keeper:
    """Writes checkpoints often enough to lose little, seldom enough to cost little."""

    def __init__(
        self,
        folder: Path | None,
        learner: Learner,
        named: dict[str, nn.Parameter],
        optimizer: torch.optim.Optimizer,
        journal: Journal,
    ) -> None:
        self.folder, self.learner, self.named = folder, learner, named
        self.optimizer, self.journal = optimizer, journal

    def take_up(self, state: _State) -> None:
        """Go on from the checkpoint in the folder, if there is one."""
        earlier = checkpoints.load(self.folder) if self.folder else None
        if earlier is None or self.folder is None:
            return
        state.progress, state.best = earlier.progress, earlier.best
        self.learner.carry(
            {
                name.removeprefix(CARRIED): one
                for name, one in earlier.trained.items()
                if name.startswith(CARRIED)
            }
        )
        with torch.no_grad():
            for name, one in self.named.items():
                one.copy_(earlier.trained[name])
        checkpoints.restore_optimizer(self.optimizer, earlier.optimizer)
        torch.set_rng_state(earlier.random)
        self.journal.rows[:] = state.progress.epochs
        file = self.folder / SAMPLES
        told = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        self.journal.samples[:] = [(step, text) for step, text in told if step <= state.progress.step]
        state.start_round()

    def save_now_and_then(self, state: _State) -> None:
        if time.monotonic() - state.saved_at > state.save_every:
            self.save(state)

    def save(self, state: _State) -> None:
        if self.folder is None:
            return
        began = time.monotonic()
        samples = json.dumps(self.journal.samples, ensure_ascii=False)
        write_whole(self.folder / SAMPLES, samples.encode())
        trained = {name: one.detach() for name, one in self.named.items()}
        trained |= {CARRIED + name: one for name, one in self.learner.carried().items()}
        tensors = checkpoints.optimizer_tensors(self.optimizer)
        kept = Checkpoint(state.progress, trained, state.best, tensors, torch.get_rng_state())
        checkpoints.save(self.folder, kept)
        state.saved_at = time.monotonic()
        state.save_every = max(CHECKPOINT_SECONDS, (state.saved_at - began) / CHECKPOINT_SHARE)
