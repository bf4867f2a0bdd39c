"""Step 4: how good it is, with intervals, beside simple baselines on the same split."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from lightune.core.progress import Show
from lightune.core.rows import Example
from lightune.core.tokens import Ints
from lightune.evaluate.classes import confusion_matrix
from lightune.steps.baselines import Rung, lesson_of, run_baselines, tested_rows
from lightune.steps.gather import Gathered
from lightune.steps.learn import answered_logits
from lightune.steps.prepare import Prepared, Written
from lightune.tasks.base import Intervals, Prediction, Task

if TYPE_CHECKING:
    from lightune.backbones.writer import Writing

SHOWN_MISTAKES = 30
WRITTEN_ROWS, MOST_WRITTEN = 50, 96  # test rows that a model writes replies to, and tokens of each
PROBED_TOKENS = 4


@dataclass
class Measured:
    """Metrics of one split, and what they were computed from."""

    metrics: dict[str, float]
    intervals: Intervals
    logits: NDArray[Any]
    rows: Ints
    seconds: float
    written: list[Prediction] = field(default_factory=list)


def measure(
    prepared: Prepared, gathered: Gathered, rows: Ints, logits: NDArray[Any] | None = None
) -> Measured:
    """Predict `rows`, unless their `logits` are known, and compare with gold."""
    began = time.perf_counter()
    task = gathered.task
    logits = answered_logits(prepared, gathered, rows) if logits is None else logits
    targets = prepared.targets[rows]
    metrics, intervals = task.metrics(logits, targets), task.intervals(logits, targets)
    return Measured(metrics, intervals, logits, rows, time.perf_counter() - began)


def measure_all(prepared: Prepared, gathered: Gathered) -> dict[str, Measured]:
    """Validation and test, those that have rows, with the weights as `load` makes them: adapters merged."""
    found = {}
    if len(gathered.validation):
        found["validation"] = measure(prepared, gathered, gathered.validation, prepared.held_logits)
    if len(gathered.test):
        prepared.backbone.merge()
        found["test"] = measure(prepared, gathered, gathered.test)
        if gathered.task.kind == "text":
            written = write_and_compare(prepared, gathered, gathered.test)
            found["test"].written = written.texts
            found["test"].metrics |= written.metrics
            found["test"].intervals |= written.intervals
            found["test"].seconds += written.seconds
            number, reason = len(written.texts), "the likeliest tokens, for the first test rows"
            gathered.decisions.add("written to compare", f"{number} texts", reason)
    return found


def write_and_compare(prepared: Prepared, gathered: Gathered, rows: Ints) -> Written:
    """Let the model write for the first of `rows`, and see how like the right texts that is."""
    from lightune.backbones.writer import Writer

    began = time.perf_counter()
    examples, how = _what_is_written(prepared, gathered, rows)
    texts = gathered.task.generate(Writer(prepared.backbone), examples, how=how)
    said = [str(one.label) for one in texts]
    metrics, intervals = gathered.task.compare_texts(said, [str(one.gold) for one in examples])
    return Written(texts, metrics, intervals, time.perf_counter() - began)


def writing_seconds(prepared: Prepared, gathered: Gathered) -> float:
    """About how long `write_and_compare` will take, from a few tokens of one batch; 0 for other tasks.

    A model writes token by token, and to a batch at a time: what one step costs tells the rest.
    """
    if gathered.task.kind != "text" or not len(gathered.test):
        return 0.0
    from lightune.backbones.writer import BATCH, Writer

    examples, how = _what_is_written(prepared, gathered, gathered.test)
    writer = Writer(prepared.backbone)
    taken = []
    for number in (1, 1 + PROBED_TOKENS):  # the first also reads the prompts, and finds its kernels
        began = time.perf_counter()
        gathered.task.generate(writer, examples[:BATCH], how=replace(how, max_new_tokens=number))
        taken.append(time.perf_counter() - began)
    step = max(0.0, taken[1] - taken[0]) / PROBED_TOKENS
    return math.ceil(len(examples) / BATCH) * (taken[0] + step * how.max_new_tokens)


def _what_is_written(prepared: Prepared, gathered: Gathered, rows: Ints) -> tuple[list[Example], Writing]:
    from lightune.backbones.writer import Writing

    examples = gathered.part(rows[:WRITTEN_ROWS])
    longest = max(len(prepared.backbone.tokenizer(str(one.gold))["input_ids"]) for one in examples)
    return examples, Writing(max_new_tokens=min(MOST_WRITTEN, longest + 8))


def main_of(measured: dict[str, Measured]) -> Measured | None:
    """The test split's measures, or validation's where there is no test."""
    return measured.get("test") or measured.get("validation")


def answer_simply(gathered: Gathered, show: Show) -> list[Rung]:
    """The baselines' answers on the rows of the main split, none where there are no such rows.

    What they need is free again before the training takes it. Of texts only as many are answered as the
    model will write, which is known later (`baselines`).
    """
    if gathered.beside is not None and (answers := gathered.beside.answers(show)) is not None:
        return answers
    rows = tested_rows(gathered)
    return run_baselines(lesson_of(gathered, rows), show) if len(rows) else []


def baselines(
    prepared: Prepared,
    gathered: Gathered,
    all_measured: dict[str, Measured],
    answered: list[Rung],
    show: Show,
) -> list[dict[str, Any]]:
    """What simpler models reach on the rows of the main split: {name, metrics, intervals, seconds} each.

    Args:
        answered: by `answer_simply`.
    """
    task, measured = gathered.task, main_of(all_measured)
    if measured is None:
        return []
    rows = measured.rows[: len(measured.written)] if task.kind == "text" else measured.rows
    tested = gathered.part(rows)  # of texts, those that the model has written too
    found = run_baselines(lesson_of(gathered, rows), show) if task.kind == "text" else answered
    rungs = []
    if prepared.untouched is not None:
        wanted = prepared.targets[measured.rows]
        metrics = task.metrics(prepared.untouched, wanted)
        intervals = task.intervals(prepared.untouched, wanted)
        if prepared.untouched_written is not None:
            metrics |= prepared.untouched_written.metrics
            intervals |= prepared.untouched_written.intervals
        rungs.append(
            {
                "name": "untouched model",
                "metrics": metrics,
                "intervals": intervals,
                "seconds": prepared.seconds["untouched"],
            }
        )
    for rung in found if tested else ():
        metrics, intervals = task.score(rung.predictions, prepared.targets[rows], tested)
        rungs.append({"name": rung.name, "metrics": metrics, "intervals": intervals, "seconds": rung.seconds})
    return rungs


def confusion(task: Task, measured: Measured, targets: NDArray[Any]) -> list[list[int]] | None:
    """Gold classes by predicted classes; None for tasks without classes."""
    if task.kind != "classes":
        return None
    predicted = measured.logits.argmax(axis=1)
    counts: list[list[int]] = confusion_matrix(targets[measured.rows], predicted, len(task.labels)).tolist()
    return counts


def mistakes(gathered: Gathered, measured: Measured) -> list[dict[str, Any]]:
    """The rows that were got wrong, the worst first: {row, probability, cells}, as the task shows them."""
    task, examples = gathered.task, gathered.part(measured.rows)
    predictions = measured.written or task.decode(measured.logits, examples)
    found = [
        (task.badness(prediction, example), example, prediction)
        for example, prediction in zip(examples[: len(predictions)], predictions, strict=True)
        if prediction.label is not None and not task.is_right(prediction, example)
    ]
    found.sort(key=lambda item: -item[0])
    return [
        {
            "row": example.row,
            "probability": prediction.probability,
            "cells": task.compared(prediction, example),
        }
        for _, example, prediction in found[:SHOWN_MISTAKES]
    ]


def advise(task: Task, all_measured: dict[str, Measured], rungs: list[dict[str, Any]]) -> list[str]:
    """Plain words on whether it was worth it, and what to do if not; by each metric that a rung has too."""
    measured = main_of(all_measured)
    if measured is None:
        return []
    names = dict.fromkeys((task.best_by, *task.also_told))
    lines = [_verdict(name, measured, rungs) for name in names if name in measured.intervals]
    low, high = measured.intervals.get(task.best_by, (0.0, 0.0))
    if rungs and low >= 0 and high - low > 0.1 and high <= 1:
        number = len(measured.rows)
        lines.append(f"The interval is wide ({low:.2f} to {high:.2f}): only {number} rows were tested.")
    return [line for line in lines if line]


def _verdict(name: str, measured: Measured, rungs: list[dict[str, Any]]) -> str:
    """How the run stands beside the best rung in one metric; "" where no rung has it."""
    known = [rung for rung in rungs if name in rung["metrics"]]
    if not known:
        return ""
    best = max(known, key=lambda rung: rung["metrics"][name])
    value, other = measured.metrics[name], best["metrics"][name]
    if measured.intervals[name][0] > best["intervals"][name][1]:
        return f"Fine-tuning is clearly better than {best['name']}: {name} {value:.3f} against {other:.3f}."
    if value > other:
        return (
            f"Fine-tuning looks better than {best['name']} ({name} {value:.3f} against {other:.3f}), but the "
            "intervals overlap: more test rows would tell."
        )
    verb = "does better" if other > value else "does as well"
    return (
        f"{best['name']} {verb} ({name} {other:.3f} against {value:.3f}) and costs less: use that, or get "
        "more labels."
    )
