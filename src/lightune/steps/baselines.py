"""Run earlier models on the split that the fine-tuned model uses."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune import history
from lightune.core import plugins
from lightune.core.machine import return_freed
from lightune.core.progress import Show
from lightune.core.rows import Example
from lightune.core.tokens import Ints
from lightune.history.base import Baseline, Kind

if TYPE_CHECKING:
    from lightune.steps.gather import Gathered


@dataclass(frozen=True)
class Rung:
    """One baseline's answers on the test rows, in the form of gold, and what they took.

    Attributes:
        seconds: learning and answering; `answering_seconds` is the second part.
        size_bytes: what has to be kept to predict.
    """

    name: str
    predictions: list[Any]
    seconds: float
    answering_seconds: float
    size_bytes: int


@dataclass(frozen=True)
class Lesson:
    """What the baselines learn from, and what they are asked.

    Attributes:
        kind: the form of gold: a label name, a list of label names, a number.
        is_balanced: whether rare classes weigh as much as frequent ones, as they do in the run.
    """

    train: list[Example]
    test: list[Example]
    kind: Kind
    is_balanced: bool = False


def lesson_of(gathered: Gathered, rows: Ints) -> Lesson:
    """All rows but the main split's, and of that `rows`."""
    train, validation, task = gathered.train, gathered.validation, gathered.task
    return Lesson(
        gathered.part(np.concatenate([train, validation]) if len(gathered.test) else train),
        gathered.part(rows),
        task.kind,
        is_balanced=getattr(task, "weights", None) is not None,
    )


def tested_rows(gathered: Gathered) -> Ints:
    """The main split's; none of texts, of which only those count that the model will write."""
    rows = gathered.test if len(gathered.test) else gathered.validation
    return rows[:0] if gathered.task.kind == "text" else rows


def baselines_for(kind: Kind, *, only_quick: bool = False) -> list[type[Baseline]]:
    """The earlier models that know this form of gold, the simplest first."""
    every = [plugins.load(history, name, Baseline) for name in plugins.names(history)]  # type: ignore[type-abstract]
    known = [one for one in every if kind in one.kinds and (one.is_quick or not only_quick)]
    return sorted(known, key=lambda one: (one.generation, one.cost, one.name))


def run_baselines(lesson: Lesson, show: Show) -> list[Rung]:
    """The quick baselines' answers."""
    baselines = baselines_for(lesson.kind, only_quick=True)
    rungs = []
    with show.bar("baselines", len(baselines)) as bar:
        for baseline in baselines:
            return_freed()  # counting words takes room that others have left behind
            rungs.append(
                climb(baseline(lesson.kind, is_balanced=lesson.is_balanced), lesson.train, lesson.test)
            )
            bar.advance()
    return rungs


def climb(baseline: Baseline, train: Sequence[Example], test: Sequence[Example]) -> Rung:
    """Let one baseline learn from `train` and answer `test`, with the clock beside it."""
    start = time.perf_counter()
    texts = [read_of(example, baseline.kind) for example in train]
    baseline.fit(texts, [example.gold for example in train])
    learnt = time.perf_counter()
    asked = [read_of(example, baseline.kind) for example in test]
    predictions = baseline.predict(asked) if asked else []
    end = time.perf_counter()
    return Rung(baseline.name, predictions, end - start, end - learnt, baseline.size_bytes())


def read_of(example: Example, kind: Kind) -> tuple[str, ...]:
    """What a baseline reads of an example: its texts, or its words; the options behind the question."""
    if kind in {"tags", "events"}:
        return tuple(example.texts[0][start:end] for start, end in example.words)
    return ("\n".join(example.texts), *example.options) if example.options else example.texts
