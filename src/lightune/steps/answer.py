"""Using a finished run on a file: rows in, rows with answers out; or labelled rows in, metrics out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from lightune import tasks
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Example, Row, Table
from lightune.data.columns import Columns, find_columns
from lightune.data.profile import LabelProfile, label_profile, no_labels
from lightune.data.read import questions, read
from lightune.data.settings import DataSettings
from lightune.data.sides import find_sides
from lightune.data.write import Writer
from lightune.run import Run, load
from lightune.runs.folder import RunState, Told, read_state
from lightune.steps.fill import form_of
from lightune.steps.gather import examples_of, no_label
from lightune.steps.mask import masked_table
from lightune.tasks.base import Task


@dataclass(frozen=True)
class Wanted:
    """How `predict` is to answer: columns to read, file to write (None: stdout), precision.

    Answers with a probability under `abstain_below` are left out. A text is written with `beams`.
    `told`: what a plain adapter does not say.
    """

    text: tuple[str, ...] | None
    output: str | None
    precision: str
    is_json: bool
    abstain_below: float | None = None
    beams: int = 1
    told: Told = field(default_factory=Told)


def answer(
    folder: Path,
    data: str,
    *,
    settings: DataSettings,
    wanted: Wanted,
    show: Show,
) -> dict[str, Any]:
    """Predict a file (or stdin) row by row into `output` (or stdout); the JSON object of `predict`.

    Raises:
        UserError: no such run or file, a missing column, a place that cannot be written to.
    """
    began = time.perf_counter()
    state = read_state(folder, wanted.told)
    kind = plugins.load(tasks, state.task, Task)  # type: ignore[type-abstract]
    form = form_of(data, settings, wanted.output, kind)
    rows = questions(data, settings)
    first = next(rows, None)
    if first is None:
        raise UserError("there are no rows", file=data)
    columns, output = wanted.text or text_columns(read_columns(state), first), wanted.output
    Run._require_texts(first, columns)
    if state.task == "retrieve" and len(columns) != 1:
        hint = "Give one column with --text, and the command again for the other."
        raise UserError(f"a vector is of one text, not of {len(columns)} columns", file=data, hint=hint)
    _check_abstaining(state, wanted.abstain_below)
    _check_beams(folder, state, wanted.beams)
    run = load(folder, show, model=wanted.told.model, labels=wanted.told.labels)
    run.beams = wanted.beams
    run.watch = run.new_watch()
    abstaining = Abstaining(wanted.abstain_below)
    answers = abstaining.answers(run.predict_rows(chain([first], rows), columns, wanted.precision))
    added = run.task.added
    names = [name for name in first.values if name not in added] + list(added)
    if wanted.is_json and output is None:
        listed = list(answers)
        more = _alarm(run, show) | abstaining.summary()
        return {"rows": listed, "count": len(listed), "seconds": time.perf_counter() - began, **more}
    number = form.put(answers) if form else _write(answers, output, names)
    seconds = time.perf_counter() - began
    if output:
        show.note(f"{number} rows written to {output} in {seconds:.1f} s")
    if abstaining.below is not None:
        show.note(f"{abstaining.count} rows are left without an answer: less sure than {abstaining.below:g}")
    return {
        "output": output,
        "count": number,
        "seconds": seconds,
        **_alarm(run, show),
        **abstaining.summary(),
    }


class Abstaining:
    """Takes away answers that the model is not sure enough of."""

    def __init__(self, below: float | None) -> None:
        self.below = below
        self.count = 0

    def answers(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The rows, `predicted` empty where `probability` is too low; the probability stays."""
        for row in rows:
            if self.below is not None and row["probability"] < self.below:
                self.count += 1
                yield {**row, "predicted": None}
            else:
                yield row

    def summary(self) -> dict[str, Any]:
        """{abstained} where it was asked for."""
        return {} if self.below is None else {"abstained": self.count}


def _check_abstaining(state: RunState, below: float | None) -> None:
    """Raise `UserError` for a probability that is none, or a run that gives none."""
    if below is None:
        return
    if not 0 < below <= 1:
        raise UserError(f"--abstain-below cannot be {below:g}", hint="Give a probability, like 0.8.")
    kind = plugins.load(tasks, state.task, Task)  # type: ignore[type-abstract]
    if "probability" not in kind.added or kind.kind == "number":
        raise UserError(f"--abstain-below needs probabilities, and {state.task} gives none")


def _check_beams(folder: Path, state: RunState, beams: int) -> None:
    """Raise `UserError` for a number of beams that is none, or a run that writes no texts."""
    if beams < 1:
        raise UserError("--beams must be 1 or more")
    if beams > 1:
        _check_writes(folder, state)


def _check_writes(folder: Path, state: RunState) -> None:
    if plugins.load(tasks, state.task, Task).kind != "text":  # type: ignore[type-abstract]
        raise UserError(f"this run does not write texts: its task is {state.task}", file=folder)


def _alarm(run: Run, show: Show) -> dict[str, Any]:
    """{unusual} of a run that knows what is usual; a warning where too many rows are not."""
    if run.watch is None:
        return {}
    found = run.watch.summary()
    if found["is_alarm"]:
        first = ", ".join(map(str, found["first_rows"]))
        show.warn(
            f"{found['far']} of {found['rows']} rows look unlike what the run was trained on (1 in 100 is "
            f"usual; first rows: {first}): the report's figures do not hold for them"
        )
    return {"unusual": found}


def _columns_to_assess(
    state: RunState, table: Table, text: tuple[str, ...] | None, label: str | None, delimiter: str
) -> tuple[Columns, LabelProfile]:
    """The columns that hold texts and gold answers; a run that was trained without labels needs none."""
    kind = plugins.load(tasks, state.task, Task)  # type: ignore[type-abstract]
    if not kind.needs_label:
        columns = find_sides(table, text, label if state.label else "")
        if state.label and columns.label is None:
            raise no_label(table)
        return columns, no_labels(len(table))
    columns = find_columns(table, text, label)
    if columns.label is None:
        raise no_label(table)
    return columns, label_profile(table, columns.label, delimiter=delimiter)


def _write(answers: Iterator[dict[str, Any]], output: str | None, names: list[str]) -> int:
    number = 0
    with Writer(output, names) as writer:
        for row in answers:
            writer.write(row)
            number += 1
    return number


def read_columns(state: RunState) -> list[str]:
    """The columns of training that a prediction reads."""
    kind = plugins.load(tasks, state.task, Task)  # type: ignore[type-abstract]
    return list(kind.reads(state.text))


def text_columns(trained: list[str], row: Row) -> tuple[str, ...]:
    """The columns the run was trained on, or the only column where a single text is wanted."""
    if any(name not in row.values for name in trained) and len(trained) == 1 == len(row.values):
        return tuple(row.values)
    return tuple(trained)


def labelled(
    folder: Path,
    data: str,
    *,
    settings: DataSettings,
    text: tuple[str, ...] | None,
    label: str | None,
    show: Show,
    told: Told | None = None,
) -> tuple[Run, list[Example], Table]:
    """A run, the rows of `data` that have a label as it sees them, and the whole table.

    Raises:
        UserError: no labels.
    """
    told = told or Told()
    state = read_state(folder, told)
    splits = read(data, settings)
    table = splits.test or splits.train
    if state.extra.get("masks"):
        table = masked_table(table, state.text)
    wanted_text = text or (tuple(state.text) if all(name in table.columns for name in state.text) else None)
    wanted_label = label or (state.label if state.label in table.columns else None)
    columns, profile = _columns_to_assess(
        state, table, wanted_text or splits.text, wanted_label or splits.label, settings.delimiter
    )
    run = load(folder, show, model=told.model, labels=told.labels)
    found = [one for one in examples_of(run.task, table.rows, columns, profile) if one.gold is not None]
    if not found:
        raise UserError("no row has a label", file=table.file, column=columns.label)
    return run, found, table


def write(folder: Path, prompts: Sequence[str], *, how: Mapping[str, Any], show: Show) -> list[str]:
    """One new text for every prompt.

    Raises:
        UserError: no prompt, a way of drawing that makes no sense, or a run that does not write.
    """
    if not prompts:
        raise UserError("there is no prompt", hint="Give --prompt TEXT, or one a line on standard input.")
    _check_writes(folder, read_state(folder))
    from lightune.backbones.writer import Writing

    chosen = Writing(**how)
    chosen.check()
    return load(folder, show).generate(prompts, chosen)
