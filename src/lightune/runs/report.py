"""`report.html`: how far to trust the run, on one page for a person who is no machine-learning expert."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from lightune.core.rows import Problem
from lightune.runs import charts, words
from lightune.runs.explanation import reasons
from lightune.runs.mistakes import worst_mistakes
from lightune.runs.page import facts, page, paragraph, section, table

MAX_CLASSES_IN_HEAT_MAP = 20
MAX_PROBLEMS = 50


@dataclass
class Report:
    """All that the report shows; whatever is empty is left out.

    Attributes:
        summary: (name, value) such as task, method, model, rows.
        decisions: (what, value, reason).
        metrics, intervals: of this run on the held-out rows.
        rungs: baselines and this run: name, metrics, intervals, seconds.
        history: per epoch: epoch, train_loss, validation_loss, and a validation metric under its name.
        confusion: (C, C) counts, gold rows and predicted columns, in the order of `labels`.
        scatter: (gold, predicted) numbers.
        mistakes: worst first: row, probability, cells (what stands above one -> `Shown`).
        reasons: explanations of tested rows, with `gold` and `row`.
        reliability: (low, high, probability, share right, rows).
        calibration: temperature, and the calibration error by split, before and after.
        best_by: the metric that training watched; meanings: of metrics that mean something else here.
        privacy: what is promised of the training rows, and what is not.
        num_hidden: problems of the data that are counted only; shows_texts: whether rows may be quoted.
        plan: predicted_seconds, seconds, predicted_peak_memory_bytes, peak_memory_bytes, and more.
    """

    title: str
    summary: list[tuple[str, str]] = field(default_factory=list)
    decisions: list[tuple[str, str, str]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    rungs: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    step_losses: list[float] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    confusion: list[list[int]] | None = None
    scatter: list[tuple[float, float]] | None = None
    mistakes: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[dict[str, Any]] = field(default_factory=list)
    reliability: Sequence[tuple[float, float, float, float, int]] | None = None
    calibration: Mapping[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    plan: dict[str, Any] = field(default_factory=dict)
    truncation: str = ""
    splits: str = ""
    advice: list[str] = field(default_factory=list)
    privacy: list[str] = field(default_factory=list)
    best_by: str = ""
    meanings: Mapping[str, str] = field(default_factory=dict)
    num_hidden: int = 0
    shows_texts: bool = True

    def meaning(self, metric: str) -> str:
        """What a metric says, in plain words."""
        return self.meanings.get(metric) or words.METRIC_MEANINGS.get(metric, "")


def write_report(path: Path, report: Report) -> None:
    """Write one HTML file that needs no other file and no network."""
    path.write_text(render(report), encoding="utf-8")


def render(report: Report) -> str:
    """The report as HTML text."""
    body = [
        f"<h1>{escape(report.title)}</h1>",
        facts(report.summary),
        _worth(report),
        _numbers(report),
        _learning(report),
        _confusion(report),
        _scatter(report),
        worst_mistakes(report.mistakes),
        reasons(report.reasons, f"runs/{report.title}"),
        _calibration(report),
        _privacy(report),
        _data(report),
        _decisions(report),
        _plan(report),
        _footer(report),
    ]
    return page(report.title, "".join(body))


def _footer(report: Report) -> str:
    quotes = (
        "It may quote rows of your data: share it with the same care."
        if report.shows_texts
        else "It quotes no row of your data (--report.examples on would)."
    )
    local = "Written by lightune on this computer. Nothing was sent anywhere; this page loads nothing."
    return f"<footer>{local} {quotes}</footer>"


def _privacy(report: Report) -> str:
    """What is promised of the training rows, and what is not."""
    return section("What it gives away", "", *(paragraph(line) for line in report.privacy))


def _worth(report: Report) -> str:
    """Bars with intervals against the baselines, the verdict above them and the advice below."""
    rungs = words.rungs_with_run(report.rungs, report.metrics, report.intervals)
    leading = words.leading_metrics(report.metrics, report.best_by)
    parts = [paragraph(words.verdict(rungs, leading[0]), "verdict")] if leading and len(rungs) > 1 else []
    for name in leading:
        rows = [
            charts.BarRow(
                words.model_name(rung["name"]),
                rung["metrics"][name],
                rung.get("intervals", {}).get(name),
                is_main=rung["is_this_run"],
            )
            for rung in rungs
            if name in rung["metrics"]
        ]
        title = words.metric_name(name)
        parts.append(f"<h3>{escape(title[:1].upper() + title[1:])}</h3>")
        parts.append(paragraph(report.meaning(name), "soft"))
        parts.append(charts.bars(rows, f"{title} of this run and of the baselines"))
    parts += [paragraph(line, "note") for line in report.advice]
    plain = (
        "The trained model beside simpler ones, all tested on the same held-out rows. The thin line is the "
        "95% interval: with other test rows of the same kind, the number would likely fall within it."
    )
    return section("Was it worth it?", plain, *parts)


def _numbers(report: Report) -> str:
    """Every metric with its interval, its baselines and its meaning."""
    rungs = words.rungs_with_run(report.rungs, report.metrics, report.intervals)
    others = [rung for rung in rungs if not rung["is_this_run"]]
    rows = []
    for name, value in report.metrics.items():
        interval = report.intervals.get(name)
        between = f"{charts.number(interval[0])} to {charts.number(interval[1])}" if interval else ""
        beside = [_number_or_dash(rung["metrics"].get(name)) for rung in others]
        meaning = report.meaning(name)
        rows.append((words.metric_name(name), charts.number(value), between, *beside, meaning))
    header = ("Metric", "This run", "95% interval", *(words.model_name(r["name"]) for r in others), "Meaning")
    seconds = [r for r in rungs if r.get("seconds") is not None]
    cost = "; ".join(f"{words.model_name(r['name'])} {words.duration(r['seconds'])}" for r in seconds)
    numbers = table(header, rows, numbers=range(1, 3 + len(others)))
    return section("All the numbers", "", numbers, paragraph(f"Time: {cost}." if cost else "", "soft"))


def _number_or_dash(value: Any) -> str:
    return charts.number(float(value)) if isinstance(value, (int, float)) else "–"


def _learning(report: Report) -> str:
    """The losses and the validation metric over the epochs, over the loss of every step."""

    def over_epochs(name: str) -> list[tuple[float, float]]:
        return [(float(e["epoch"]), float(e[name])) for e in report.history if _is_number(e.get(name))]

    num_epochs = max((float(entry["epoch"]) for entry in report.history), default=1.0)
    per_step = num_epochs / max(len(report.step_losses), 1)
    step_points = [((step + 1) * per_step, loss) for step, loss in enumerate(report.step_losses)]
    losses = [
        charts.Series("loss of each step", charts.thin_out(step_points), "line-faint"),
        charts.Series("training loss", over_epochs("train_loss"), "line-a", has_dots=True),
        charts.Series("validation loss", over_epochs("validation_loss"), "line-b", has_dots=True),
    ]
    losses = [series for series in losses if series.points]
    parts = []
    if losses:
        parts = [charts.key(losses), charts.lines(losses, "epoch", "loss", "Loss over the epochs")]
    known = {"epoch", "train_loss", "validation_loss"}
    names = [n for n in (report.history[0] if report.history else {}) if n not in known and over_epochs(n)]
    scores = [n for n in names if any(word in n for word in (*words.LEADING, "matthews"))][:1]
    if scores and len(report.history) > 1:
        series = [
            charts.Series(words.metric_name(scores[0]), over_epochs(scores[0]), "line-b", has_dots=True)
        ]
        parts.append(charts.key(series))
        parts.append(charts.lines(series, "epoch", "score", "Validation score", with_zero=False))
    plain = (
        "Loss is how wrong the model is while it learns; lower is better. Validation rows are not learnt "
        "from: when their loss rises while the training loss falls, the model has begun to learn by heart."
    )
    return section("How it learnt", plain, *parts)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _confusion(report: Report) -> str:
    """The confusion matrix, and the most frequent confusions."""
    if not report.confusion:
        return ""
    labels, counts = report.labels, report.confusion
    pairs = [
        (count, labels[gold], labels[predicted])
        for gold, cells in enumerate(counts)
        for predicted, count in enumerate(cells)
        if gold != predicted and count
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    is_small = len(labels) <= MAX_CLASSES_IN_HEAT_MAP
    rows = [(gold, predicted, f"{count:,}") for count, gold, predicted in pairs[: 5 if is_small else 25]]
    common = table(("Right answer", "Model's answer", "Rows"), rows, numbers=(2,)) if len(labels) > 2 else ""
    heat = charts.heat_map(labels, counts) if is_small else ""
    plain = (
        "Each line is the right answer (“gold”), each column what the model said. The diagonal is right; "
        "a dark cell off the diagonal is a pair of classes that the model mixes up."
    )
    return section("Which classes are mixed up", plain, heat, common)


def _scatter(report: Report) -> str:
    """Gold and predicted numbers."""
    if not report.scatter:
        return ""
    picture = charts.scatter(report.scatter, "true number", "predicted number", "Predicted against true")
    plain = "Each dot is a held-out row. On the dashed line, the prediction is exactly right."
    return section("Predictions against the truth", plain, picture)


def _calibration(report: Report) -> str:
    """The reliability chart."""
    if not report.reliability:
        return ""
    picture = charts.reliability_chart(report.reliability, "Share right against probability")
    plain = (
        "When the model says 90%, is it right 90% of the time? On the dashed line it is. Dots below "
        "the line: the model is too sure of itself. Dots above: it is right more often than it says. "
        "Larger dots stand for more rows."
    )
    return section("Can its probabilities be trusted?", plain, picture, _scaling(report.calibration))


def _scaling(calibration: Mapping[str, Any]) -> str:
    """The calibration error of each split, before and after temperature scaling."""
    if not calibration:
        return ""
    before, after = calibration["before"], calibration["after"]
    rows = [(split, charts.number(before[split]), charts.number(after[split])) for split in before]
    plain = (
        f"The probabilities are scaled by one number, {calibration['temperature']:.3f}, fitted on the "
        "validation rows (above 1: the model was too sure of itself). Below is the expected calibration "
        "error: how far, on average, probability and share right are apart. Answers do not change by it."
    )
    header = ("Rows", "Before scaling", "After scaling (as shown above)")
    return paragraph(plain) + table(header, rows, numbers=(1, 2))


def _data(report: Report) -> str:
    """How rows were split and cut, and what is wrong with them."""
    shown = report.problems[:MAX_PROBLEMS]
    rows = [(p.kind.replace("_", " "), p.file, p.line or "", p.message) for p in shown]
    left = len(report.problems) - len(shown)
    more = f"And {left:,} more: lightune check shows all of them." if left else ""
    none = "" if rows else "No problem was found in the data."
    if report.num_hidden:
        none = f"{report.num_hidden:,} problems were found; lightune check shows them with the rows."
    problems = table(("Problem", "File", "Line", "What it is"), rows, numbers=(2,))
    parts = (
        paragraph(report.splits),
        paragraph(report.truncation),
        problems,
        paragraph(more or none, "soft"),
    )
    return section("The data", "", *parts)


def _decisions(report: Report) -> str:
    """What lightune found out or chose by itself."""
    plain = "Everything below was chosen for you. Each can be set by hand: see run.toml beside this page."
    rows = table(("What", "Value", "Why"), report.decisions)
    return section("What was decided, and why", plain, rows)


def _plan(report: Report) -> str:
    """Predicted against actual time and memory, then whatever else the plan holds."""
    plan = dict(report.plan)
    rows: list[tuple[str, str, str]] = []
    for name, title, form in (
        ("seconds", "Time", words.duration),
        ("peak_memory_bytes", "Peak memory", words.size),
    ):
        predicted, actual = plan.pop(f"predicted_{name}", None), plan.pop(name, None)
        if predicted is not None or actual is not None:
            cells = [form(float(v)) if _is_number(v) else "–" for v in (predicted, actual)]
            rows.append((title, cells[0], cells[1]))
    more = [(name.replace("_", " "), _plain_value(value)) for name, value in plan.items()]
    header = ("", "Planned", "Measured")
    return section("Plan against reality", "", table(header, rows, numbers=(1, 2)), table(("", ""), more))


def _plain_value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain_value(one)}" for name, one in value.items())
    if isinstance(value, float):
        return charts.number(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
