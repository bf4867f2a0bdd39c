"""The ladder: every generation of language model on the same split, from the cheapest to the dearest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightune
from lightune.core.errors import UserError
from lightune.core.machine import peak_memory_bytes
from lightune.core.progress import LiveTable, Show
from lightune.engine.settings import parse_seconds
from lightune.history.base import Baseline
from lightune.request import Request
from lightune.runs import ladder as pages
from lightune.runs import words
from lightune.runs.folder import finish, next_output, open_work, work_folder
from lightune.runs.terminal_chart import dots
from lightune.steps.baselines import baselines_for
from lightune.steps.climb import Climbed, Ladder, climb_baseline, climb_method
from lightune.steps.cost import seconds_of, show_seconds
from lightune.steps.curve import check_sizes, smaller
from lightune.steps.gather import Gathered
from lightune.steps.prepare import choose_model
from lightune.steps.rungs import Wanted
from lightune.steps.verdict import Verdict, decide, more_labels

SHOWN = ("accuracy", "f1", "pearson", "spearman", "recall@1", "mrr", "exact_match")
STATES = {"waiting": "", "running": "…", "left out": "left out"}


@dataclass
class Climb:
    """A climb: the rungs to try, what became of them, and the table that shows it.

    Attributes:
        baselines: the earlier models by name; every other name is a method's.
        left_out: name -> why.
        curve: for each size, the rungs on so many labels.
    """

    ladder: Ladder
    names: list[str]
    baselines: dict[str, type[Baseline]]
    began: float
    budget: float | None
    done: list[Climbed] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    curve: list[dict[str, Any]] = field(default_factory=list)

    @property
    def show(self) -> Show:
        """Where progress goes."""
        return self.ladder.show

    @property
    def shown(self) -> list[str]:
        """The one or two metrics of the table."""
        best_by = self.ladder.gathered.task.best_by
        known = self.done[0].metrics if self.done else {best_by: 0.0}
        return list(dict.fromkeys([best_by, *(name for name in SHOWN if name in known)]))[:2]


def compare(
    request: Request, wanted: Wanted, gathered: Gathered, output: Path | None, show: Show, began: float
) -> dict[str, Any]:
    """Climb the ladder, decide, and write the folder; returns the JSON object of `compare --json`.

    Raises:
        UserError: a size that the data has not, no rows to test on, no rung that could be climbed.
    """
    climb = prepare_climb(request, wanted, gathered, show, began)
    sizes = check_sizes(climb.ladder, wanted.sizes)
    wanted_answers = gathered.task.targets(gathered.part(climb.ladder.tested))
    show.table("decided", ("what", "", "why"), gathered.decisions.as_rows())
    title = f"{len(climb.ladder.tested)} test rows, with 95% intervals"
    with show.live(title) as table:
        try:
            climb_all(climb, table)
        finally:  # Ctrl-C too: what is done stays on the screen
            table.set(_header(climb), _rows(climb, ""))
    if not climb.done:
        raise UserError(
            "no rung could be climbed", hint="; ".join(f"{n}: {w}" for n, w in climb.left_out.items())
        )
    draw_curve(climb, sizes)
    verdict = decide(gathered.task, climb.done, wanted_answers)
    summary = summarise(climb, verdict)
    output = output or next_output(request.data, "compare")
    summary["output"] = str(output)
    keep(climb, summary, output)
    _show_result(climb, summary, output)
    return summary


def prepare_climb(request: Request, wanted: Wanted, gathered: Gathered, show: Show, began: float) -> Climb:
    """Choose the pre-trained model, where a rung needs one.

    Raises:
        UserError: no rows to test on.
    """
    if not len(gathered.test) and not len(gathered.validation):
        raise UserError("no rows are left to test on", hint="Give --test FILE, or --data.test-fraction 0.2.")
    known = {one.name: one for one in baselines_for(gathered.task.kind)}
    has_methods = any(name not in known for name in wanted.rungs)
    source = choose_model(request, gathered, show) if has_methods else None
    budget = parse_seconds(request.budget) if request.budget else None
    return Climb(Ladder(request, gathered, source, show), list(wanted.rungs), known, began, budget)


def climb_all(climb: Climb, table: LiveTable) -> None:
    """Every rung that fits into the budget, one after the other."""
    _load_libraries()
    for place, name in enumerate(climb.names):
        table.set(_header(climb), _rows(climb, name))
        if reason := reason_to_leave_out(climb, name):
            _leave_out(climb, name, reason)
            continue
        others = [one for one in climb.names[place + 1 :] if one not in climb.baselines]
        try:
            found = climb_one(climb, climb.ladder, name, others)
        except UserError as error:
            _leave_out(climb, name, error.problem)
            continue
        climb.done.append(found)
        table.say(_in_a_line(climb, found))


def climb_one(climb: Climb, ladder: Ladder, name: str, others: Sequence[str] = ()) -> Climbed:
    """One rung, of either kind."""
    if name in climb.baselines:
        return climb_baseline(ladder, climb.baselines[name])
    return climb_method(ladder, name, others)


def reason_to_leave_out(climb: Climb, name: str) -> str:
    """Why a rung is not tried: its library is missing, or it would not fit what is left of the budget."""
    kind = climb.baselines.get(name)
    if kind is not None and kind.extra is not None and not _is_installed(kind.extra[0]):
        return f"it needs an optional library: pip install 'lightune[{kind.extra[1]}]'"
    if climb.budget is None:
        return ""
    left = climb.budget - (time.perf_counter() - climb.began)
    if kind is not None:
        ladder = climb.ladder
        letters = sum(len(text) for one in ladder.gathered.part(ladder.pool) for text in one.texts)
        needed = kind.cost * letters / 1e6
    else:
        assert climb.ladder.source is not None
        method = climb.ladder.method(name)
        request, gathered = climb.ladder.request, climb.ladder.gathered
        needed = seconds_of(request, gathered, climb.ladder.source, method)
    if needed <= left:
        return ""
    return (
        f"it would take about {show_seconds(needed)}, and {show_seconds(max(left, 0))} of the budget are left"
    )


def draw_curve(climb: Climb, sizes: Sequence[int]) -> None:
    """The rungs that were climbed, on fewer labels: into `climb.curve`."""
    if not sizes:
        return
    climb.show.note("learning curve: the same rungs on fewer labels")
    most = len(climb.ladder.pool)
    with climb.show.bar("learning curve", len(sizes) * len(climb.done)) as bar:
        for size in sizes:
            ladder, found = smaller(climb.ladder, size), []
            for rung in climb.done:
                bar.advance(0, note=f"{rung.name}, {size} labels")
                guess = rung.seconds * size / most
                if climb.budget is None or time.perf_counter() - climb.began + guess <= climb.budget:
                    try:
                        found.append(climb_one(climb, ladder, rung.name).as_json())
                    except UserError as error:
                        climb.show.warn(f"{rung.name} on {size} labels: {error.problem}")
                bar.advance()
            climb.curve.append({"size": size, "rungs": found})
    climb.curve.append({"size": most, "rungs": [one.as_json() for one in climb.done]})


def summarise(climb: Climb, verdict: Verdict | None) -> dict[str, Any]:
    """The JSON object of `compare --json` (its keys are a contract)."""
    gathered = climb.ladder.gathered
    summary: dict[str, Any] = {
        "task": gathered.task.name,
        "model": climb.ladder.source.name if climb.ladder.source else None,
        "metric": gathered.task.best_by,
        "rows": {name: len(getattr(gathered, name)) for name in ("train", "validation", "test")},
        "rungs": [one.as_json() for one in climb.done],
        "left_out": [{"name": name, "reason": reason} for name, reason in climb.left_out.items()],
        "use": verdict.use if verdict else None,
        "best": verdict.best if verdict else None,
        "rule": verdict.rule if verdict else None,
        "advice": verdict.lines if verdict else [],
        "seconds": {"total": time.perf_counter() - climb.began},
        "peak_memory_bytes": peak_memory_bytes(),
        "decisions": [vars(one) for one in gathered.decisions.taken],
    }
    if climb.curve:
        summary["curve"] = climb.curve
        said = more_labels(climb.curve, verdict.use, gathered.task.best_by) if verdict else ""
        summary["advice"] = [*summary["advice"], *([said] if said else [])]
    return summary


def settings_of(climb: Climb) -> dict[str, Any]:
    """Every setting as used, as run.toml holds them."""
    request, gathered = climb.ladder.request, climb.ladder.gathered
    given = {name: value for name, value in request.train.model_dump().items() if value is not None}
    run = {
        "lightune": lightune.__version__,
        "task": gathered.task.name,
        "text": list(gathered.columns.text),
        "label": gathered.columns.label,
        "model": climb.ladder.source.name if climb.ladder.source else None,
        "validation": request.validation,
        "test": request.test,
        "precision": request.precision,
        "seed": request.seed,
    }
    groups = {"train": given, "cache": request.cache.model_dump()}
    data = {"source": request.data, **request.data_settings.model_dump()}
    return {"data": data, "run": run, **groups}


def keep(climb: Climb, summary: dict[str, Any], output: Path) -> None:
    """Write the folder beside its place, then give it its name."""
    request, gathered = climb.ladder.request, climb.ladder.gathered
    work = work_folder(output)
    open_work(work, request.fingerprint(), request.data, is_resumed=False)
    page = pages.LadderPage(
        title=output.name,
        summary=summary,
        decisions=list(gathered.decisions.as_rows()),
        problems=gathered.problems,
        splits=gathered.split_text,
        language=gathered.language,
    )
    pages.write(work, page, settings_of(climb))
    finish(work, output, replace=request.overwrite)


def _load_libraries() -> None:
    """Load what several rungs need, so that the first of them does not pay for all."""
    import importlib

    for name in ("feature_extraction.text", "linear_model", "multiclass", "naive_bayes"):
        importlib.import_module(f"sklearn.{name}")


def _leave_out(climb: Climb, name: str, reason: str) -> None:
    climb.left_out[name] = reason
    climb.show.note(f"{name} is left out: {reason}")


def _is_installed(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is not None


def _header(climb: Climb) -> tuple[str, ...]:
    return ("rung", *climb.shown, "seconds", "rows/s", "size")


def _rows(climb: Climb, running: str) -> list[tuple[str, ...]]:
    """The table as it stands: what is done, what runs, what waits."""
    done = {one.name: one for one in climb.done}
    rows = []
    for name in climb.names:
        if name in done:
            rows.append(_cells(climb, done[name]))
        else:
            state = "left out" if name in climb.left_out else "running" if name == running else "waiting"
            rows.append((name, STATES[state], *[""] * (len(climb.shown) + 2)))
    return rows


def _cells(climb: Climb, one: Climbed) -> tuple[str, ...]:
    figures = []
    for name in climb.shown:
        low, high = one.intervals.get(name, (float("nan"), float("nan")))
        figures.append(f"{one.metrics[name]:.3f} [{low:.3f}, {high:.3f}]" if name in one.metrics else "")
    speed = words.round_number(one.rows_per_second)
    return (one.name, *figures, f"{one.seconds:.1f}", speed, words.size(one.size_bytes))


def _in_a_line(climb: Climb, one: Climbed) -> str:
    name, *figures, seconds, speed, size = _cells(climb, one)
    measures = ", ".join(f"{n} {f}" for n, f in zip(climb.shown, figures, strict=True) if f)
    return f"{name}: {measures}, {seconds} s, {speed} rows/s, {size}"


def _show_result(climb: Climb, summary: dict[str, Any], output: Path) -> None:
    show, metric = climb.show, summary["metric"]
    points = [(one.name, one.seconds, one.metrics[metric]) for one in climb.done if metric in one.metrics]
    show.note(dots(points, x_name="seconds to train", y_name=words.metric_name(metric)))
    if climb.curve:
        header = ("labels", *(str(one["size"]) for one in climb.curve))
        show.table(f"{metric} by number of labels", header, pages.curve_rows(climb.curve, metric))
    for line in summary["advice"]:
        show.note(line)
    show.note(
        f"{summary['seconds']['total']:.0f} s in all. Saved: {output}\n  report: {output / 'report.html'}"
    )
