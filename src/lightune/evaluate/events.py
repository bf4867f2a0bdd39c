"""How well events are found: triggers and arguments as ACE counts them (Li et al. 2013)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from numpy.typing import NDArray

from lightune.evaluate.intervals import Intervals, bootstrap
from lightune.evaluate.spans import span_counts, span_metrics

MEANINGS = {
    "f1": "balance of arguments found and made up; place, role and the event's type must be right",
    "precision": "of the arguments found, the share that are right",
    "recall": "of the right arguments, the share found",
    "trigger_f1": "the same balance for the words that tell of an event, with its type",
    "trigger_precision": "of the triggers found, the share that are right",
    "trigger_recall": "of the right triggers, the share found",
}
Array = NDArray[Any]
Sets = tuple[Collection[Any], Collection[Any]]  # of one text: triggers, arguments


def event_counts(gold: Sequence[Sets], said: Sequence[Sets]) -> tuple[Array, Array]:
    """(E, 3) right, said and gold arguments of each text; the same of triggers."""
    return (
        span_counts([list(one[1]) for one in gold], [list(one[1]) for one in said]),
        span_counts([list(one[0]) for one in gold], [list(one[0]) for one in said]),
    )


def event_metrics(arguments: Array, triggers: Array) -> dict[str, float]:
    """f1, precision, recall of arguments; trigger_f1, trigger_precision, trigger_recall."""
    own = span_metrics(arguments)
    return own | {f"trigger_{name}": value for name, value in span_metrics(triggers).items()}


def event_intervals(arguments: Array, triggers: Array, *, seed: int = 0) -> Intervals:
    """95% bootstrap intervals, texts drawn."""
    return bootstrap(lambda rows: event_metrics(arguments[rows], triggers[rows]), len(triggers), seed=seed)
