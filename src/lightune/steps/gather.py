"""Step 1: files -> rows -> columns -> task -> examples, checked and split. No model, no torch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune import tasks
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Decisions, Example, Problem, Row, Splits, Table
from lightune.core.tokens import Ints
from lightune.data.bundled import bundled
from lightune.data.bundled import names as bundled_names
from lightune.data.check import check
from lightune.data.columns import Columns, find_columns
from lightune.data.exclude import positions_to_exclude
from lightune.data.language import language
from lightune.data.profile import LabelProfile, label_profile, no_labels
from lightune.data.read import read
from lightune.data.sides import find_sides, looks_like_sides
from lightune.data.split import k_folds, split
from lightune.request import Request
from lightune.steps.alter import Altered, alter
from lightune.steps.start import Start, adopt, open_start
from lightune.steps.start import columns_of as start_columns
from lightune.tasks.base import Task

if TYPE_CHECKING:
    from lightune.steps.beside import Beside

NAMED = {"classes", "labels"}  # kinds of tasks whose gold answers are names, which a split keeps in each part
UNBALANCED = 3.0  # largest class over smallest, from which classes are weighed


@dataclass
class Gathered:
    """Typed examples and how they are split.

    Attributes:
        examples: all of them; `train`, `validation`, `test` are numbers of examples.
        columns, profile: which columns hold texts and labels, and what the labels look like.
        start: what training goes on from; None where it starts anew.
        beside: the process in which the baselines learn; None where they learn in this one.
    """

    task: Task
    columns: Columns
    profile: LabelProfile
    examples: list[Example]
    train: Ints
    validation: Ints
    test: Ints
    problems: list[Problem]
    decisions: Decisions
    language: str
    split_text: str
    seconds: float
    groups: list[object] | None
    altered: Altered
    start: Start | None = None
    beside: Beside | None = None

    def part(self, rows: Ints) -> list[Example]:
        """The examples with these numbers."""
        return [self.examples[row] for row in rows]

    def folds(self, number: int, seed: int) -> list[tuple[Ints, Ints]]:
        """K times (training, held-out) numbers of examples, out of training and validation."""
        pool = np.concatenate([self.train, self.validation])
        known = self.groups  # of the rows that were split; those of a validation file stand by themselves
        groups = [known[row] if row < len(known) else None for row in pool.tolist()] if known else None
        is_classes = self.task.kind in NAMED
        found = k_folds(self.part(pool), number, seed=seed, is_classes=is_classes, groups=groups)
        return [(pool[np.array(train)], pool[np.array(held)]) for train, held in found]


def gather(request: Request, show: Show) -> Gathered:
    """Read, look at, check and split the data.

    Raises:
        UserError: anything wrong with the data that training could not stand.
    """
    began = time.perf_counter()
    decisions = Decisions()
    request, start = open_start(request)
    splits = read_splits(request, show)
    if start is not None:
        request = replace(request, text=start_columns(start, request.text, splits.train.columns))
    known = columns_of(request, splits)
    for decision in known.reasons.taken:
        decisions.taken.append(decision)
    profile = profile_of(request, splits, known)
    name = choose_task(request, splits, profile, len(known.text), decisions)
    require_texts(name, known, splits.train)
    splits, altered = alter(request, splits, known, name, decisions)
    problems = check(splits, known, task=name, delimiter=request.data_settings.delimiter)
    stop_on_fatal(problems)
    task = plugins.load(tasks, name, Task)()  # type: ignore[type-abstract]
    code, why = _language(splits.train, known.text if task.kind == "vectors" else known.text[:1])
    decisions.add("language", code, why)
    parts = _examples(splits, known, profile, task, decisions)
    if request.data_settings.duplicates == "drop":
        kept = _without_duplicates(parts["train"])
        if len(kept) < len(parts["train"]):
            decisions.add("duplicates left out", len(parts["train"]) - len(kept), "same text, same label")
        parts["train"] = kept
    if not parts["train"]:
        raise UserError("no row has both a text and a label", file=splits.train.file)
    groups = _groups(splits, parts["train"], request.data_settings.group) or task.groups(parts["train"])
    train, validation, test, words = _divide(request, parts, groups, is_classes=task.kind in NAMED)
    decisions.add("split", *words)
    examples = parts["train"] + parts["validation"] + parts["test"]
    train = _without_excluded(request, examples, train, decisions)
    task.learn([examples[row] for row in train])
    if start is not None:
        adopt(start, task, [examples[row] for row in train], decisions)
    _balance(request, task, [examples[row] for row in train], decisions)
    return Gathered(
        task=task,
        columns=known,
        profile=profile,
        examples=examples,
        train=train,
        validation=validation,
        test=test,
        problems=problems,
        decisions=decisions,
        language=code,
        split_text=f"{words[0]} ({words[1]})",
        seconds=time.perf_counter() - began,
        groups=groups,
        altered=altered,
        start=start,
    )


def read_splits(request: Request, show: Show) -> Splits:
    """The data source, with `--validation` and `--test` in their places."""
    settings = request.data_settings
    source = request.data
    if source in bundled_names() and not Path(source).exists():
        source = str(bundled(source, show))
    splits = read(source, settings)
    if request.validation:
        splits = replace(splits, validation=read(request.validation, settings).train)
    if request.test:
        splits = replace(splits, test=read(request.test, settings).train)
    return splits


def is_without_label(request: Request, splits: Splits) -> str:
    """Why the rows need no label: the task asked for, or what the columns are called; "" when they do."""
    name = splits.task if request.task == "auto" else request.task
    if name:
        kind = plugins.load(tasks, name, Task)  # type: ignore[type-abstract]
        return "" if kind.needs_label else "as asked"
    is_open = request.label is None and request.text is None
    return looks_like_sides(splits.train) if is_open else ""


def columns_of(request: Request, splits: Splits) -> Columns:
    """The columns asked for, those the format knows, or those found."""
    text, label = request.text or splits.text, request.label or splits.label
    if is_without_label(request, splits):
        return find_sides(splits.train, text, label)
    named = splits.task if request.task == "auto" else request.task.replace("-", "_")
    for name in [named] if named else plugins.names(tasks):
        kind = plugins.load(tasks, name, Task)  # type: ignore[type-abstract]
        if found := kind.find_columns(splits.train, text, label, is_asked=bool(named)):
            return found
    return find_columns(splits.train, text, label)


def profile_of(request: Request, splits: Splits, columns: Columns) -> LabelProfile:
    """What the labels look like; an empty profile where none are needed.

    Raises:
        UserError: there is no label, and the task needs one.
    """
    if columns.label is not None:
        return label_profile(splits.train, columns.label, delimiter=request.data_settings.delimiter)
    if not is_without_label(request, splits):
        raise no_label(splits.train)
    return no_labels(len(splits.train))


def _language(table: Table, names: Sequence[str]) -> tuple[str, str]:
    """The language of some columns; `multilingual` where they differ."""
    rows = table.rows[:2000]
    found = [language([str(row.values.get(name) or "") for row in rows]) for name in names]
    codes = list(dict.fromkeys(code for code, _ in found))
    if len(codes) == 1:
        return found[0]
    return "multilingual", " and ".join(codes)


def choose_task(
    request: Request, splits: Splits, profile: LabelProfile, num_texts: int, decisions: Decisions
) -> str:
    """The task asked for, the one the format knows, or the one that recognises the labels."""
    if request.task != "auto":
        decisions.add("task", request.task, "as asked")
        return request.task.replace("-", "_")
    if splits.task:
        decisions.add("task", splits.task, f"what {splits.train.format} is for")
        return splits.task
    if reason := is_without_label(request, splits):
        decisions.add("task", "retrieve", reason)
        return "retrieve"
    found = []
    for name in plugins.names(tasks):
        kind = plugins.load(tasks, name, Task)  # type: ignore[type-abstract]
        if reason := kind.recognises(profile, num_texts):
            found.append((kind.precedence, name, reason))
    if not found:
        raise UserError(
            f"the label column has {len(profile.distinct)} distinct values in {profile.num_rows} rows, "
            "which looks like neither classes nor numbers",
            file=splits.train.file,
            column=None,
            hint="Say which column is the label with --label COLUMN, or which task it is with --task.",
        )
    _, name, reason = max(found, key=lambda item: item[0])
    decisions.add("task", name, reason)
    return name


def require_texts(task: str, columns: Columns, table: Table) -> None:
    """Raise `UserError` when a pair is asked for and there is one text, or more texts than two."""
    number = len(columns.text)
    kind = plugins.load(tasks, task, Task)  # type: ignore[type-abstract]
    if not kind.least_texts <= number <= kind.most_texts:
        named = ", ".join(map(repr, columns.text))
        known = {
            (1, 2): "one text column, or two",
            (2, 2): "two text columns",
            (2, 3): "two text columns, or three",
        }
        wanted = known[kind.least_texts, kind.most_texts]
        raise UserError(
            f"the task {task} reads {wanted}, not {number} ({named})",
            file=table.file,
            hint=f"The columns are: {', '.join(table.columns)}. Name two with --text COLUMN,COLUMN2.",
        )


def stop_on_fatal(problems: Sequence[Problem]) -> None:
    """Raise the first fatal problem as the person's error."""
    fatal = [problem for problem in problems if problem.is_fatal]
    if fatal:
        first = fatal[0]
        more = f"{len(fatal) - 1} more like it. " if len(fatal) > 1 else ""
        hint = f"{more}See all that is wrong with: lightune check {first.file}"
        raise UserError(first.message, file=first.file, line=first.line, hint=hint)


def no_label(table: Table) -> UserError:
    """The error for data without labels."""
    return UserError(
        "no column looks like a label",
        file=table.file,
        hint=f"The columns are: {', '.join(table.columns)}. Name the one to learn with --label COLUMN.",
    )


def examples_of(
    task: Task, rows: Sequence[Row], columns: Columns, profile: LabelProfile | None
) -> list[Example]:
    """Typed examples; without a profile the gold answers are left out."""
    found = []
    for row in rows:
        is_known = profile is not None and (columns.label or not task.needs_label)
        gold = task.gold(row, columns.label or "", profile) if is_known and profile else None
        found.append(task.row_to_example(row, columns.text, gold))
    return found


def _usable(examples: list[Example], task: Task) -> tuple[list[Example], int, int]:
    """(examples with text and gold, how many had no text, how many no gold)."""
    with_text = [one for one in examples if any(text.strip() for text in one.texts)]
    with_gold = [one for one in with_text if one.gold is not None]
    return with_gold, len(examples) - len(with_text), len(with_text) - len(with_gold)


def _without_duplicates(examples: list[Example]) -> list[Example]:
    seen: set[object] = set()
    kept = []
    for one in examples:
        gold = tuple(one.gold) if isinstance(one.gold, list) else one.gold
        key = (one.texts, one.options, one.turns, gold)
        if key not in seen:
            seen.add(key)
            kept.append(one)
    return kept


def _examples(
    splits: Splits, columns: Columns, profile: LabelProfile, task: Task, decisions: Decisions
) -> dict[str, list[Example]]:
    """The usable examples of each part that the source keeps apart."""
    parts: dict[str, list[Example]] = {}
    for name in ("train", "validation", "test"):
        table: Table | None = getattr(splits, name)
        made = examples_of(task, table.rows, columns, profile) if table else []
        parts[name], num_empty, num_unlabelled = _usable(made, task)
        if num_empty or num_unlabelled:
            left = f"{num_empty} without text, {num_unlabelled} without label"
            decisions.add(f"rows left out ({name})", num_empty + num_unlabelled, left)
    return parts


def _divide(
    request: Request, parts: dict[str, list[Example]], groups: list[object] | None, *, is_classes: bool
) -> tuple[Ints, Ints, Ints, tuple[str, str]]:
    """Numbers of the training, validation and test examples, and (what, why) in words.

    The examples are counted through: training rows, then given validation rows, then given test rows.
    """
    settings = request.data_settings
    own, given = len(parts["train"]), len(parts["validation"])
    has_validation, has_test = bool(given), bool(parts["test"])
    fractions = (
        0.0 if has_validation else settings.validation_fraction,
        0.0 if has_test else settings.test_fraction,
    )
    found = split(
        parts["train"], settings, seed=request.seed, is_classes=is_classes, groups=groups, parts=fractions
    )
    validation = np.arange(own, own + given) if has_validation else np.array(found.validation, dtype=np.int64)
    end = own + given + len(parts["test"])
    test = np.arange(own + given, end) if has_test else np.array(found.test, dtype=np.int64)
    train = np.array(found.train, dtype=np.int64)
    what = f"{len(train)} to train, {len(validation)} to validate, {len(test)} to test"
    why = "own files" if has_test and has_validation else f"seed {request.seed}"
    why += ", stratified by label" if is_classes and not (has_test and has_validation) else ""
    why += f", grouped by {settings.group}" if settings.group else ""
    return train, validation, test, (what, why)


def _without_excluded(request: Request, examples: list[Example], train: Ints, decisions: Decisions) -> Ints:
    """The training rows that `--data.exclude` leaves; held-out rows stay, or the figures would flatter."""
    if not request.data_settings.exclude:
        return train
    named = positions_to_exclude(request.data_settings.exclude, examples)
    kept = np.array([row for row in train.tolist() if row not in named], dtype=np.int64)
    why = "as --data.exclude says; rows held out to validate and test stay"
    decisions.add("rows not trained on", len(train) - len(kept), why)
    if not len(kept):
        problem = "the list names every row of the training data"
        raise UserError(problem, file=request.data_settings.exclude)
    return kept


def _groups(splits: Splits, examples: Sequence[Example], column: str) -> list[object] | None:
    if not column:
        return None
    if column not in splits.train.columns:
        raise UserError(
            f"there is no column {column!r} to group by",
            file=splits.train.file,
            hint=f"The columns are: {', '.join(splits.train.columns)}.",
        )
    value_of: dict[int, Any] = {row.index: row.values.get(column) for row in splits.train.rows}
    return [value_of[example.row] for example in examples]


def _balance(request: Request, task: Task, examples: list[Example], decisions: Decisions) -> None:
    """Weigh rare classes up where asked, or where the imbalance is large."""
    wanted = request.train.class_weights
    if task.kind != "classes" or wanted == "off" or (wanted != "on" and not task.weighs_by_itself):
        return
    counts = Counter(example.gold for example in examples)
    ratio = max(counts.values()) / min(counts.values())
    if request.privacy.is_private:
        decisions.add(
            "class weights", "off", "private: they are counts of the training labels, without noise"
        )
        return
    if wanted == "on" or ratio > UNBALANCED:
        task.balance(examples)
        decisions.add("class weights", "on", f"the largest class is {ratio:.1f} times the smallest")
