"""THE LINE: from a file of labelled text to a tested, saved, usable model, on one screen.

files -> rows -> examples -> tokens -> cached activations -> trainable part -> metrics ->
run folder -> predictions
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightune.core.progress import Show
from lightune.core.rows import Problem
from lightune.privacy.settings import require_usual
from lightune.request import Request
from lightune.run import Run, load
from lightune.runs.folder import open_work
from lightune.steps.places import check_output, choose_work


def train(data: str | Path, *, show: Show | None = None, **asked: Any) -> Run:
    """Fine-tune on `data`, test, save, and open the result.

    Args:
        data: a file, a folder, a hub id or a bundled data set.
        show: where progress goes; quiet by default.
        asked: the flags of `lightune train`: task, text, label, model, method, head, budget, memory,
            validation, test, output, precision, seed, folds, seeds, resume, overwrite, and
            `groups={"train": {"epochs": 3}, "method": {"rank": 8}}`.

    Raises:
        UserError: anything the person can mend, before or during the run.
    """
    summary = run_train(Request(data=str(data), **asked), show or Show(is_quiet=True))
    return load(summary["output"])


def run_train(request: Request, show: Show) -> dict[str, Any]:
    """The whole job; returns the JSON object of `lightune train --json`."""
    began = time.perf_counter()
    output = check_output(request)
    from lightune.steps import beside
    from lightune.steps.gather import gather

    gathered = gather(request, show)
    show_problems(gathered.problems, show)
    gathered = replace(gathered, beside=beside.begin(request, gathered))

    from lightune.core.machine import peak_memory_bytes, while_importing

    with while_importing():
        from lightune.steps import finish, keep, measure, prepare, race, trust

    source = prepare.choose_model(request, gathered, show)
    method = prepare.choose_method(request, gathered)
    work, output = choose_work(request, output, method.name, show)
    show.table("decided", ("what", "", "why"), gathered.decisions.as_rows())

    answered: list[Any] = []

    def enter() -> None:
        open_work(work, request.fingerprint(), request.data, is_resumed=request.resume)
        answered.extend(measure.answer_simply(gathered, show))

    ground = race.Ground(request, gathered, source, work, enter, began, show)
    chosen = race.race(ground) if race.is_race(request, gathered) else race.alone(ground, method)
    prepared, planned = chosen.prepared, chosen.planned
    measured = measure.measure_all(prepared, gathered)
    trusted = trust.look(prepared, gathered, measured, is_private=bool(chosen.private))
    rungs = measure.baselines(prepared, gathered, measured, answered, show)
    seconds = finish.all_seconds(gathered, prepared, measured, began)
    outcome = keep.Outcome(
        request=request,
        gathered=gathered,
        prepared=prepared,
        descent=chosen.descent,
        progress=chosen.progress,
        measured=measured,
        rungs=rungs,
        advice=measure.advise(gathered.task, measured, rungs),
        plan=planned.against(seconds["total"], peak_memory_bytes()),
        seconds=seconds,
        trusted=trusted,
        private=chosen.private,
    )
    outcome.summary = finish.summarise(outcome, output, chosen.spread, planned)
    prepared.thaw()
    keep.keep(outcome, work, output)
    finish.show_result(outcome, output, show)
    return outcome.summary


def plan(data: str | Path, *, show: Show | None = None, **asked: Any) -> dict[str, Any]:
    """Predicted seconds, peak memory and trainable parameters of every method on `data`; trains nothing."""
    return run_plan(Request(data=str(data), **asked), show or Show(is_quiet=True))


def run_plan(request: Request, show: Show) -> dict[str, Any]:
    """The same; the JSON object of `lightune plan --json`."""
    from lightune.steps import beside
    from lightune.steps.gather import gather

    gathered = gather(request, show)
    gathered = replace(gathered, beside=beside.begin(request, gathered, is_plan=True))
    from lightune.steps.cost import plan_methods  # after the data was found good: it loads torch

    return plan_methods(request, gathered, show)


def check(data: str | Path, *, show: Show | None = None, **asked: Any) -> dict[str, Any]:
    """What is wrong with `data`, without loading a model: {problems, rows, labels, task, columns}."""
    from lightune.steps.inspect import inspect

    return inspect(Request(data=str(data), **asked), show or Show(is_quiet=True))


def compare(
    data: str | Path,
    *,
    rungs: Sequence[str] = (),
    sizes: Sequence[int] = (),
    show: Show | None = None,
    **asked: Any,
) -> dict[str, Any]:
    """The ladder: every generation of language model on `data`, and which to use.

    Args:
        data: as for `train`; `asked` too, without method, head and folds.
        rungs: some only, such as `["tfidf_lr", "head", "lora"]`.
        sizes: also a learning curve, on so many labels each.

    Returns:
        {rungs: [{name, metrics, intervals, seconds, rows_per_second, size_bytes}], advice, use, output}.
    """
    request = Request(data=str(data), **asked)
    return run_compare(request, show or Show(is_quiet=True), rungs=tuple(rungs), sizes=tuple(sizes))


def run_compare(
    request: Request, show: Show, *, rungs: tuple[str, ...] = (), sizes: tuple[int, ...] = ()
) -> dict[str, Any]:
    """The whole ladder; returns the JSON object of `lightune compare --json`."""
    began = time.perf_counter()
    require_usual(request.privacy, "compare")
    output = check_output(request)
    from lightune.steps.gather import gather
    from lightune.steps.rungs import Wanted, choose_rungs, require_comparable

    require_comparable(request, rungs)
    gathered = gather(request, show)
    show_problems(gathered.problems, show)
    wanted = Wanted(choose_rungs(rungs, gathered.task), sizes)
    from lightune.steps.compare import compare as climb  # it loads torch

    return climb(request, wanted, gathered, output, show, began)


def show_problems(problems: list[Problem], show: Show) -> None:
    """The first few problems of the data, one line each."""
    for problem in problems[:5]:
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        show.warn(f"{place}: {problem.message}")
    if len(problems) > 5:
        show.warn(f"{len(problems) - 5} more; see them with: lightune check {problems[0].file}")
