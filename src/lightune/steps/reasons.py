"""For a run's report: which words of some tested rows spoke for the answers, where that costs little time."""

from __future__ import annotations

import importlib.util
import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Example
from lightune.run import Run

if TYPE_CHECKING:
    from lightune.steps.gather import Gathered
    from lightune.steps.measure import Measured

SHARE = 0.05  # of the run's time so far, without being asked
MOST = 3
# Passes of one text, counted on movie sentences: 16 to 64 steps of the gradient, and what is taken out.
PASSES = 250


@dataclass(frozen=True)
class Cost:
    """Seconds, and how many tokens a second a plain pass reads; None: not known."""

    seconds: float
    speed: float | None


def reasons(
    run: Run, gathered: Gathered, measured: Measured, asked: int | None, *, cost: Cost, show: Show
) -> list[dict[str, Any]]:
    """Explanations of tested rows, as `lightune explain` gives them, with `gold` and `row`.

    Args:
        asked: how many; None: up to three, as many as a twentieth of the run's time pays for, and none of a
            run that writes, or whose speed is not known.
    """
    if not can_explain(run) or importlib.util.find_spec("captum") is None or asked == 0:
        return []
    if asked is None and (cost.speed is None or run.task.kind == "text"):
        return []
    seconds = math.inf if asked is not None else SHARE * cost.seconds
    return explain_rows(run, interesting(gathered, measured), asked or MOST, Cost(seconds, cost.speed), show)


def can_explain(run: Run) -> bool:
    """Whether `lightune explain` knows such runs."""
    return run.backbone.start_id is None


def explain_rows(
    run: Run, examples: Sequence[Example], most: int, allowed: Cost, show: Show
) -> list[dict[str, Any]]:
    """Explanations of the first `most` of `examples`; a text that would take too long is passed over."""
    from lightune.steps.explain import Wanted, explain_one

    found: list[dict[str, Any]] = []
    began = time.perf_counter()
    with show.bar("explaining", most) as bar:
        for example in examples:
            left = allowed.seconds - (time.perf_counter() - began)
            if len(found) == most or left <= 0:
                break
            if allowed.speed is not None and PASSES * _num_tokens(run, example) / allowed.speed > left:
                continue
            try:
                one = explain_one(run, example, Wanted(num_examples=0), None)[0]
            except UserError:  # a text without a word
                continue
            found.append({**one, "gold": run.task.gold_answer(example), "row": example.row})
            bar.advance(1)
    return found


def interesting(gathered: Gathered, measured: Measured) -> list[Example]:
    """Tested rows, in turn the worst mistake that is left and the next right answer."""
    task, examples = gathered.task, gathered.part(measured.rows)
    predictions = measured.written or task.decode(measured.logits, examples)
    wrong, right = [], []
    for example, prediction in zip(examples, predictions, strict=False):
        if prediction.label is not None and task.is_right(prediction, example):
            right.append(example)
        elif prediction.label is not None:
            wrong.append((task.badness(prediction, example), example))
    worst = [example for _, example in sorted(wrong, key=lambda one: -one[0])]
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(worst, right))
    return [one for one in in_turn if one is not None]


def _num_tokens(run: Run, example: Example) -> int:
    from lightune.backbones.encode import Limits

    limits = Limits(**run.state.limits)
    found = run.task.encode(run.backbone.tokenizer, [example], limits).tokens
    return int(found.lengths[0])
