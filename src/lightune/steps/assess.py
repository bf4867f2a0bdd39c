"""`lightune evaluate`: a run on labelled data, by group, on other data, or beside a second run.

Every comparison says how much of it may be chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lightune.core.errors import UserError, nearest
from lightune.core.progress import Show
from lightune.core.rows import Example, Table
from lightune.data.profile import is_missing
from lightune.data.settings import DataSettings
from lightune.evaluate.paired import apart, mcnemar, paired_bootstrap
from lightune.evaluate.temperature import calibration_error
from lightune.run import Run
from lightune.runs.folder import Told
from lightune.steps.answer import labelled
from lightune.steps.robust import robustness

Listed = tuple[str, tuple[str, ...], Sequence[tuple[Any, ...]]]
FAST = {"classes", "labels", "number"}  # kinds whose metrics take less than a millisecond
FEW_RESAMPLES, RESAMPLES = 200, 1000
MOST_GROUPS = 50


@dataclass(frozen=True)
class Wanted:
    """What to evaluate on: columns, how the data is read, a column to group by, other data, a second run.

    `is_robust`: also on the texts changed.
    `told`: what a plain adapter does not say.
    """

    settings: DataSettings
    text: tuple[str, ...] | None = None
    label: str | None = None
    by: str | None = None
    shifted: str | None = None
    other: Path | None = None
    is_robust: bool = False
    told: Told = field(default_factory=Told)


@dataclass
class Asked:
    """A run's logits on labelled rows."""

    run: Run
    examples: list[Example]
    table: Table
    logits: Any
    targets: Any
    far_share: float | None

    def metrics(self, rows: Any = None) -> dict[str, dict[str, float]]:
        """Metric -> {value, low, high} on some rows (B,), all unless told."""
        rows = np.arange(len(self.examples)) if rows is None else rows
        return self.run.score(self.logits[rows], self.targets[rows])

    def calibration_error(self) -> float | None:
        """The expected calibration error of the probabilities as `predict` gives them."""
        temperature = self.run.task.temperature
        return None if temperature is None else calibration_error(self.logits, self.targets, temperature)

    def is_right(self) -> Any:
        """(B,) whether each answer is the gold one."""
        task = self.run.task
        decoded = task.decode(self.logits, self.examples)
        return np.array([task.is_right(one, e) for one, e in zip(decoded, self.examples, strict=True)])


def assess(folder: Path, data: str, wanted: Wanted, show: Show) -> dict[str, Any]:
    """{metrics: {name: {value, low, high}}, rows, run}, and what else was asked for.

    Raises:
        UserError: no labels, a label that the run was not trained on, a column that is not there.
    """
    asked = _ask(folder, data, wanted, show)
    result: dict[str, Any] = {"metrics": asked.metrics(), "rows": len(asked.examples), "run": str(folder)}
    if (error := asked.calibration_error()) is not None:
        result["calibration_error"] = error
    if asked.far_share is not None:
        result["unusual_share"] = asked.far_share
    if wanted.by:
        result["groups"] = _by_group(asked, wanted.by)
    if wanted.is_robust:
        result["robust"] = robustness(asked.run, asked.examples, asked.logits, asked.targets, show)
    if wanted.shifted:
        result["shifted"] = _shifted(asked, _ask(folder, wanted.shifted, wanted, show), wanted.shifted)
    if wanted.other:
        result["compared"] = _compared(asked, _ask(wanted.other, data, wanted, show), wanted.other)
    return result


def _ask(folder: Path, data: str, wanted: Wanted, show: Show) -> Asked:
    run, examples, table = labelled(
        folder,
        data,
        settings=wanted.settings,
        text=wanted.text,
        label=wanted.label,
        show=show,
        told=wanted.told,
    )
    targets = run.task.targets(examples)
    run.watch = run.new_watch()
    logits = run.outputs(examples)
    share = float((run.watch.distances() > 1).mean()) if run.watch else None
    return Asked(run, examples, table, logits, targets, share)


def _by_group(asked: Asked, column: str) -> list[dict[str, Any]]:
    """[{value, rows, metrics}] of the groups that a column makes, the largest first.

    Raises:
        UserError: no such column, or too many values for groups.
    """
    table = asked.table
    if column not in table.columns:
        raise UserError(
            f"there is no column {column!r}", file=table.file, hint=nearest(column, table.columns)
        )
    values = {row.index: row.values.get(column) for row in table.rows}
    places: dict[str, list[int]] = {}
    for place, example in enumerate(asked.examples):
        value = values[example.row]
        places.setdefault("(empty)" if is_missing(value) else str(value), []).append(place)
    if len(places) > MOST_GROUPS:
        problem = f"the column {column!r} has {len(places)} values, which are no groups"
        raise UserError(problem, file=table.file, hint=f"Choose one with {MOST_GROUPS} values at most.")
    return [
        {"value": value, "rows": len(rows), "metrics": asked.metrics(np.array(rows))}
        for value, rows in sorted(places.items(), key=lambda item: -len(item[1]))
    ]


def _shifted(own: Asked, other: Asked, data: str) -> dict[str, Any]:
    """The figures on other data, and how far they lie from those on the first."""
    first, second = own.metrics(), other.metrics()
    differences = {}
    for name in first.keys() & second.keys():
        one, two = ((m["value"], m["low"], m["high"]) for m in (first[name], second[name]))
        found = apart(one, two)
        differences[name] = {"value": found.value, "low": found.low, "high": found.high}
    return {
        "data": data,
        "rows": len(other.examples),
        "metrics": second,
        "difference": differences,
        "calibration_error": other.calibration_error(),
        "unusual_share": other.far_share,
    }


def _compared(first: Asked, second: Asked, folder: Path) -> dict[str, Any]:
    """{run, metrics, difference, mcnemar, verdict}: second minus first, on the same rows.

    Raises:
        UserError: runs of different tasks.
    """
    task = first.run.task
    if second.run.task.name != task.name:
        problem = f"a run of the task {second.run.task.name} cannot be compared with one of {task.name}"
        raise UserError(problem, file=folder)
    assert [one.row for one in first.examples] == [one.row for one in second.examples]

    def metric(asked: Asked) -> Any:
        return lambda rows: asked.run.task.metrics(asked.logits[rows], asked.targets[rows])

    resamples = RESAMPLES if task.kind in FAST else FEW_RESAMPLES
    found = paired_bootstrap(metric(first), metric(second), len(first.examples), resamples=resamples)
    result: dict[str, Any] = {
        "run": str(folder),
        "metrics": second.metrics(),
        "difference": {name: vars(one) for name, one in found.items()},
        "rows": len(first.examples),
    }
    p = found[task.best_by].probability
    if task.kind != "number":
        only_first, only_second, p = mcnemar(first.is_right(), second.is_right())
        result["mcnemar"] = {"only_first": only_first, "only_second": only_second, "p": p}
    result["verdict"] = verdict(task.best_by, found[task.best_by].value, p, len(first.examples))
    return result


def verdict(name: str, difference: float, p: float, num_rows: int) -> str:
    """One sentence: which is better, or that it cannot be told."""
    if p >= 0.05:
        figures = f"{difference:+.3f}, p = {p:.2g}, {num_rows} rows"
        return f"No difference in {name} that chance would not bring ({figures})."
    better = "second" if difference > 0 else "first"
    return f"The {better} run is better, more than chance brings ({name} {difference:+.3f}, p = {p:.2g})."


def tables(result: dict[str, Any]) -> list[Listed]:
    """(title, header, rows) of all that was measured, for the person."""
    plain = ("metric", "value", "low", "high")
    found: list[Listed] = [(f"{result['rows']} rows", plain, _metric_rows(result["metrics"]))]
    for group in result.get("groups", ()):
        title = f"{group['value']}: {group['rows']} rows"
        found.append((title, plain, _metric_rows(group["metrics"])))
    if result.get("robust"):
        found.append(_robust_table(result["robust"]))
    for kind, title in (("shifted", "on {data}: {rows} rows"), ("compared", "{run}: {rows} rows")):
        if kind in result:
            other = result[kind]
            rows = [
                (*row, *(f"{other['difference'][row[0]][part]:+.4f}" for part in ("value", "low", "high")))
                for row in _metric_rows(other["metrics"])
                if row[0] in other["difference"]
            ]
            found.append((title.format(**other), (*plain, "difference", "from", "to"), rows))
    return found


def _robust_table(rows: list[dict[str, Any]]) -> Listed:
    """The first metric of every change, and what it loses against the same rows as they were."""
    name = next(iter(rows[0]["loss"]))
    header = ("change", "rows", name, "low", "high", "loss", "from", "to", "other answers")
    parts = ("value", "low", "high")
    lines = [
        (
            one["change"] + (" (may be right)" if one["may_turn"] else ""),
            str(one["rows"]),
            *(f"{one['metrics'][name][part]:.4f}" for part in parts),
            *(f"{one['loss'][name][part]:+.4f}" for part in parts),
            f"{one['changed']:.1%}",
        )
        for one in rows
    ]
    return "texts changed, on the rows that a change touches", header, lines


def _metric_rows(metrics: dict[str, dict[str, float]]) -> list[tuple[str, ...]]:
    return [(name, *(f"{m[part]:.4f}" for part in ("value", "low", "high"))) for name, m in metrics.items()]


def notes(result: dict[str, Any]) -> list[str]:
    """What else is worth a sentence."""
    found = []
    if "calibration_error" in result:
        found.append(f"expected calibration error: {result['calibration_error']:.3f}")
    shifted = result.get("shifted", {})
    if shifted.get("unusual_share") is not None:
        here, there = result["unusual_share"], shifted["unusual_share"]
        found.append(f"rows unlike the training data: {here:.0%} here, {there:.0%} in {shifted['data']}")
    if "compared" in result:
        found.append(result["compared"]["verdict"])
    return found
