"""One contender, from preparation to trained weights; and the race of several (`--method auto`).

The race goes from the cheapest method to the dearest. All of them read the same stored activations, the
validation rows decide, and a method that does not fit into what is left of the budget gets fewer epochs,
a part of one, or does not start.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lightune import methods
from lightune.backbones.source import Source
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Decision
from lightune.engine import checkpoint as checkpoints
from lightune.engine.checkpoint import Progress
from lightune.engine.loop import Descent
from lightune.engine.settings import parse_seconds
from lightune.methods.base import Method
from lightune.request import Request
from lightune.runs.folder import CONTENDER
from lightune.steps import cost, finish, folds, learn, measure, private, seeds
from lightune.steps.cost import Planned, show_seconds
from lightune.steps.gather import Gathered
from lightune.steps.prepare import FEW_ROWS, Prepared, head_of, is_open, open_unread, read_frozen

CONTENDERS = ("head", "side", "lora")  # by cost; each was the best for its time on movies (docs/log.md)
PARTS = (
    0.75,
    0.5,
)  # of an epoch, where a budget is short; less is no better than head (docs/log.md, 2026-12-01)
ENOUGH_HELD = 50  # fewer validation rows cannot tell methods apart
GOOD_ENOUGH = 0.997  # what is left to gain is less than the race promises
CHEAPER_WINS_BY = 0.5  # standard errors that a cheaper method must be ahead to be preferred


@dataclass
class Contender:
    """A method trained on the data, and what it took."""

    prepared: Prepared
    descent: Descent
    planned: Planned
    progress: Progress
    decisions: list[Decision]
    spread: dict[str, Any] = field(default_factory=dict)
    private: dict[str, Any] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The best epoch's measure on the validation rows."""
        return self.progress.best_score


@dataclass(frozen=True)
class Ground:
    """What all contenders share. `enter` makes the work folder once the first is known to be possible."""

    request: Request
    gathered: Gathered
    source: Source
    work: Path
    enter: Callable[[], None]
    began: float
    show: Show

    @property
    def spent(self) -> float:
        """Seconds since the command began."""
        return time.perf_counter() - self.began

    @property
    def budget(self) -> float | None:
        """Seconds allowed in all."""
        return parse_seconds(self.request.budget) if self.request.budget else None


def is_race(request: Request, gathered: Gathered) -> bool:
    """Whether `auto` has enough rows to choose by, and nothing was said that only one method understands."""
    has_rows = len(gathered.train) >= FEW_ROWS and len(gathered.validation) >= ENOUGH_HELD
    is_once = not (request.folds or request.seeds or request.privacy.is_private)  # or epsilon is spent again
    return is_open(request) and has_rows and is_once and gathered.task.kind != "text"


def alone(ground: Ground, method: Method) -> Contender:
    """The one method that was asked for, with as many epochs as fit the budget; refused when none do."""
    request, gathered, show = ground.request, ground.gathered, ground.show
    num_shown = len(gathered.decisions.taken)
    earlier = _earlier(ground, ground.work)
    prepared, descent, planned = _open(ground, method, earlier)
    if earlier is None:
        cost.require_budget(request, planned)
    show.table("derived", ("what", "", "why"), gathered.decisions.as_rows()[num_shown:])
    show.note(planned.describe())
    private.require_possible(request, prepared, gathered)
    num_shown = len(gathered.decisions.taken)
    read_frozen(request, prepared, gathered, show)
    private.go_private(request, prepared, gathered, descent)
    show.table("read", ("what", "", "why"), gathered.decisions.as_rows()[num_shown:])
    spread = {
        "folds": folds.cross_validate(request, prepared, gathered, descent, show),
        "seeds": seeds.vary_seeds(request, prepared, gathered, ground.source, descent, show),
    }
    ground.enter()
    progress = _train(ground, prepared, descent, ground.work)
    record = private.finish_private(prepared.private, progress, len(gathered.train))
    return Contender(prepared, descent, planned, progress, list(gathered.decisions.taken), spread, record)


def race(ground: Ground) -> Contender:
    """The best of the contenders that fit into the budget, by the validation rows.

    Raises:
        UserError: not even the cheapest fits.
    """
    taken = ground.gathered.decisions.taken
    common = list(taken)
    best: Contender | None = None
    reading, spent_on = 0.0, {"tokenize": 0.0, "activations": 0.0, "train": 0.0}
    kinds = [plugins.load(methods, name, Method) for name in CONTENDERS]  # type: ignore[type-abstract]
    heads = [head_of(kind, ground.request, ground.gathered.task) for kind in kinds]
    contenders = [kind(kind.Settings(), head) for kind, head in zip(kinds, heads, strict=True)]
    for place, method in enumerate(contenders):
        taken[:] = common
        name = method.name
        if best is not None and (reason := _reason_to_stop(ground, best, method, reading)):
            ground.show.note(f"race: {name} does not start: {reason}")
            continue
        others = contenders[place + 1 :] if best is None else ()
        found = _enter(ground, method, is_first=best is None, others=others)
        if found is None:
            continue
        reading = max(reading, found.prepared.seconds["activations"])
        for step in spent_on:
            spent_on[step] += found.prepared.seconds[step]
        took = f"{found.prepared.seconds['train']:.0f} s of training"
        measure = ground.gathered.task.best_by
        ground.show.note(f"race: {name} {measure} {found.score:.3f} on the validation rows, after {took}")
        best = found if best is None or _is_better(found, best, ground) else best
    assert best is not None, "the first contender either runs or raises"
    best.prepared.seconds |= spent_on  # of all contenders: that is what the result took
    why = f"won the race of {', '.join(CONTENDERS)} with {best.score:.3f} on the validation rows"
    method = best.prepared.method
    won = {"method": Decision("method", method.name, why)}
    won["head"] = Decision("head", method.head, f"what suits {method.name}")
    taken[:] = [won.get(one.what, one) for one in best.decisions]
    ground.show.note(f"race: {method.name} {why}")
    return best


def _reason_to_stop(ground: Ground, best: Contender, method: Method, reading: float) -> str:
    if best.score >= GOOD_ENOUGH:
        return "hardly anything is left to gain"
    has_cut = method.frozen_depth(best.prepared.backbone.depth) > 0
    if ground.budget is not None and has_cut and ground.spent + 1.2 * reading > ground.budget:
        return "reading the data once more would break the budget"
    return ""


def _enter(ground: Ground, method: Method, *, is_first: bool, others: Sequence[Method]) -> Contender | None:
    """Prepare and train one contender in what is left of the budget; None when it does not fit."""
    request, gathered, name = ground.request, ground.gathered, method.name
    folder = ground.work / f"{CONTENDER}{name}"
    earlier = _earlier(ground, folder)
    try:
        prepared, descent, planned = _open(ground, method, earlier)
    except UserError as error:
        if is_first:
            raise
        ground.show.note(f"race: {name} does not start: {error.problem}")
        return None
    if is_first and earlier is None:
        cost.require_budget(request, planned)
    elif earlier is None and ground.budget is not None and planned.cost.seconds > ground.budget:
        need = show_seconds(planned.cost.seconds)
        ground.show.note(f"race: {name} does not start: it would take until {need}, past the budget")
        return None
    ground.show.note(f"race: {name}, {planned.describe()}")
    read_frozen(request, prepared, gathered, ground.show, others=others)
    if is_first:
        ground.enter()
    progress = _train(ground, prepared, descent, folder)
    return Contender(prepared, descent, planned, progress, list(gathered.decisions.taken))


def _earlier(ground: Ground, folder: Path) -> Progress | None:
    """How far a run had come that is taken up; None for a new one. It was not refused then, nor is it now."""
    return checkpoints.progress_of(folder) if ground.request.resume else None


def _open(ground: Ground, method: Method, earlier: Progress | None) -> tuple[Prepared, Descent, Planned]:
    """A contender before anything is read through its frozen part, and what it will cost."""
    request, gathered = ground.request, ground.gathered
    prepared = open_unread(request, gathered, ground.source, method)
    descent = learn.resolve_descent(request, prepared, gathered)
    descent, planned = cost.foresee(request, prepared, gathered, descent, spent=ground.spent)
    return prepared, *_shorten(ground, earlier, prepared, descent, planned)


def _shorten(
    ground: Ground, earlier: Progress | None, prepared: Prepared, descent: Descent, planned: Planned
) -> tuple[Descent, Planned]:
    """The same with fewer epochs, or a part of one, where `--budget` leaves no more and nobody set them.

    A run that is taken up keeps the number it was started for: this time's measurement may say another.
    """
    request, gathered, meant = ground.request, ground.gathered, descent.epochs
    if ground.budget is None or request.train.epochs or request.privacy.is_private:
        return descent, planned

    def planned_for(epochs: float) -> tuple[Descent, Planned]:
        shorter = replace(descent, epochs=epochs)
        return shorter, cost.predict(request, prepared, gathered, shorter, spent=ground.spent, known=planned)

    if earlier is not None:
        descent, planned = planned_for(earlier.meant_epochs or meant)
    else:
        for epochs in (*range(math.ceil(meant) - 1, 0, -1), *(part for part in PARTS if part < meant)):
            if planned.cost.seconds <= ground.budget:
                break
            descent, planned = planned_for(epochs)
    if descent.epochs < meant:
        why = f"{meant:g} would not fit --budget {request.budget}"
        gathered.decisions.add("epochs", f"{descent.epochs:g}", why)
    return descent, planned


def _train(ground: Ground, prepared: Prepared, descent: Descent, folder: Path) -> Progress:
    gathered = ground.gathered
    folder.mkdir(exist_ok=True)
    finish.guard_data(ground.work, prepared, ground.gathered.task)
    if gathered.task.is_able:
        tested = gathered.test if len(gathered.test) else gathered.validation
        began = time.perf_counter()
        prepared.untouched = learn.predict_logits(prepared, gathered.task, tested)
        if gathered.task.kind == "text" and len(gathered.test):
            prepared.untouched_written = measure.write_and_compare(prepared, gathered, gathered.test)
        prepared.seconds["untouched"] = time.perf_counter() - began
    return learn.learn(
        prepared,
        gathered,
        descent,
        rows=gathered.train,
        held=gathered.validation,
        folder=folder,
        show=ground.show,
    )


def _is_better(found: Contender, best: Contender, ground: Ground) -> bool:
    """Whether the dearer one takes over: it does unless the cheaper one is clearly ahead.

    Its gain on all data is likely the larger one, and a few hundred rows measure differences badly.
    """
    number = max(len(ground.gathered.validation), 1)
    doubt = (max(best.score * (1 - best.score), 1e-4) / number) ** 0.5
    return bool(found.score >= best.score - CHEAPER_WINS_BY * doubt)
