"""Which rung to use: the simplest that no dearer one beats beyond what chance may bring."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune.evaluate.paired import Difference, paired_bootstrap
from lightune.runs.words import round_number
from lightune.steps.assess import FAST
from lightune.steps.climb import Climbed
from lightune.steps.cost import show_seconds
from lightune.tasks.base import Task

RESAMPLES, FEW_RESAMPLES = 1000, 200
FEW_ROWS = 200
SHARP = 0.02  # half an interval: a gain that hides in a wider one would still be worth having
PAIRED = "paired bootstrap over the test rows: 95% of the difference to the best rung must lie above 0"
OVERLAP = "95% intervals that do not overlap"


@dataclass(frozen=True)
class Verdict:
    """The rung to use, the best one, the rule that decided, and sentences that say why."""

    use: str
    best: str
    rule: str
    lines: list[str]


def decide(task: Task, rungs: Sequence[Climbed], targets: NDArray[np.generic]) -> Verdict | None:
    """The verdict on `rungs`, the simplest first; None where none has the measure that decides."""
    name = task.best_by
    known = [one for one in rungs if name in one.metrics and name in one.intervals]
    if not known:
        return None
    best = max(known, key=lambda one: one.metrics[name])
    chosen, difference = best, None
    for one in known:
        if one is best:
            break
        is_behind, difference = _is_behind(task, one, best, targets)
        if not is_behind:
            chosen = one
            break
    rule = OVERLAP if best.logits is None else PAIRED
    lines = _lines(name, chosen, best, difference if chosen is not best else None)
    if chosen is not known[0]:
        lines.append("Every simpler rung is worse than the best by more than chance brings.")
    if len(targets) < FEW_ROWS:
        lines.append(f"Only {len(targets)} rows were tested: small differences cannot be seen with so few.")
    return Verdict(chosen.name, best.name, rule, lines)


def _is_behind(
    task: Task, one: Climbed, best: Climbed, targets: NDArray[np.generic]
) -> tuple[bool, Difference | None]:
    """Whether `best` is better beyond chance, and by how much where both answered row by row."""
    name = task.best_by
    if one.logits is None or best.logits is None:
        return one.intervals[name][1] < best.intervals[name][0], None
    resamples = RESAMPLES if task.kind in FAST else FEW_RESAMPLES
    first, second = one.logits, best.logits
    found = paired_bootstrap(
        lambda rows: {name: task.metrics(first[rows], targets[rows])[name]},
        lambda rows: {name: task.metrics(second[rows], targets[rows])[name]},
        len(targets),
        resamples=resamples,
    )[name]
    return found.low > 0, found


def _lines(name: str, chosen: Climbed, best: Climbed, lead: Difference | None) -> list[str]:
    low, high = chosen.intervals[name]
    figures = f"{name} {chosen.metrics[name]:.3f} [{low:.3f}, {high:.3f}]"
    speed = round_number(chosen.rows_per_second)
    lines = [f"Use {chosen.name}: {figures}, {show_seconds(chosen.seconds)} to train, {speed} rows a second."]
    if chosen is best:
        lines.append("No rung of this ladder does better.")
    elif lead is not None:
        between = f"{lead.low:+.3f} to {lead.high:+.3f}"
        lines.append(
            f"{best.name} has {best.metrics[name]:.3f}, but its lead of {lead.value:+.3f} ({between}) may be "
            "chance."
        )
    else:
        lines.append(f"{best.name} has {best.metrics[name]:.3f}, but the two intervals overlap.")
    if chosen.name == "majority":
        lines.append("Nothing here learnt more than which answer is the commonest: more labels may help.")
    return lines


def more_labels(curve: Sequence[Mapping[str, Any]], name: str, metric: str) -> str:
    """Whether more labels would help a rung, by what the last ones brought; "" where the curve does not say.

    Args:
        curve: {size, rungs: [{name, metrics, intervals}]}, sizes rising.
    """
    points = [
        (one["size"], rung["metrics"][metric], rung["intervals"][metric])
        for one in curve
        for rung in one["rungs"]
        if rung["name"] == name and metric in rung["metrics"] and metric in rung["intervals"]
    ]
    points = [one for one in points if one[0] < points[-1][0]][-1:] + points[-1:]
    if len(points) < 2:
        return ""
    (few, before, _), (many, after, (low, high)) = points
    doublings = math.log2(many / few)
    brought = f"from {few:,} to {many:,} labels {name} went from {before:.3f} to {after:.3f} in {metric}"
    noise = (high - low) / 2
    if after - before > noise:
        return f"More labels would help: {brought}, {(after - before) / doublings:+.3f} with every doubling."
    if noise > SHARP:
        return f"Whether more labels would help cannot be told from {noise:.3f} of chance: {brought}."
    return f"More labels of this kind would hardly help: {brought}."
