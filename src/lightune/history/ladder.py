"""Run the baselines on the split that the fine-tuned model uses."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from lightune.core.progress import Show
from lightune.core.rows import Example
from lightune.history.base import Baseline, Kind


@dataclass(frozen=True)
class Rung:
    """One baseline's answers on the test rows, in the form of gold, and the seconds all of it took."""

    name: str
    predictions: list[Any]
    seconds: float


def run_baselines(
    train: list[Example],
    test: list[Example],
    *,
    kind: Kind,
    show: Show,
    is_balanced: bool = False,
) -> list[Rung]:
    """The majority answer and TF-IDF + a linear model, learnt from `train` and asked about `test`.

    Args:
        kind: the form of gold: a label name, a list of label names, a number.
        is_balanced: whether rare classes weigh as much as frequent ones, as they do in the run.
    """
    baselines = baselines_for(kind)
    train_texts, gold = [_read(example, kind) for example in train], [example.gold for example in train]
    test_texts = [_read(example, kind) for example in test]
    rungs = []
    with show.bar("baselines", len(baselines)) as bar:
        for baseline in baselines:
            start = time.perf_counter()
            model = baseline(kind, is_balanced=is_balanced).fit(train_texts, gold)
            predictions = model.predict(test_texts) if test_texts else []
            rungs.append(Rung(baseline.name, predictions, time.perf_counter() - start))
            bar.advance()
    return rungs


def baselines_for(kind: Kind) -> list[type[Baseline]]:
    """The simple models that know this form of gold."""
    if kind in {"text", "text spans", "events"}:
        return []
    if kind == "tags":
        from lightune.history.word_tags import MajorityTag, WordTags

        return [MajorityTag, WordTags]
    if kind == "vectors":
        from lightune.history.word_vectors import TfIdfVectors

        return [TfIdfVectors]
    from lightune.history.majority import Majority
    from lightune.history.tfidf import TfIdf

    return [Majority, TfIdf]


def _read(example: Example, kind: Kind) -> tuple[str, ...]:
    """What a baseline reads of an example: its texts, or its words."""
    if kind != "tags":
        return example.texts
    return tuple(example.texts[0][start:end] for start, end in example.words)
