"""Generated texts against references: BLEU and chrF by sacrebleu, exact match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lightune.evaluate.intervals import Intervals, bootstrap

RESAMPLES = 300
CJK = range(0x3040, 0xA000)


def text_metrics(
    said: Sequence[str], gold: Sequence[str], *, names: Sequence[str], seed: int = 0
) -> tuple[dict[str, float], Intervals]:
    """The metrics called `names` (`bleu`, `chrf`: 0 to 100; `exact_match`: 0 to 1) and 95% intervals.

    Sacrebleu's are corpus scores: the statistics of the sentences are summed, also for each resample.
    """
    found: dict[str, float] = {}
    intervals: Intervals = {}
    for name in names:
        if name == "exact_match":
            right = np.array([float(a.strip() == b.strip()) for a, b in zip(said, gold, strict=True)])
            found[name] = float(right.mean())
            intervals |= bootstrap(
                lambda rows, right=right: {"exact_match": float(right[rows].mean())},  # type: ignore[misc]
                len(right),
                seed=seed,
            )
            continue
        metric = _metric(name, gold)
        found[name] = float(metric.corpus_score(list(said), [list(gold)]).score)
        lines = np.array(metric._extract_corpus_statistics(list(said), [list(gold)]))

        def score(rows: Any, metric: Any = metric, lines: Any = lines, name: str = name) -> dict[str, float]:
            return {name: float(metric._aggregate_and_compute(lines[rows].tolist()).score)}

        intervals |= bootstrap(score, len(lines), seed=seed, resamples=RESAMPLES)
    return found, intervals


def chrf_of(said: str, gold: str) -> float:
    """ChrF of one text against its reference, 0 to 100 (Popović 2015, by sacrebleu)."""
    return float(_metric("chrf", [gold]).sentence_score(said, [gold]).score)


def _metric(name: str, gold: Sequence[str]) -> Any:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    if name == "chrf":
        return CHRF()
    is_cjk = sum(ord(letter) in CJK for text in gold for letter in text) > 0.2 * sum(map(len, gold))
    return BLEU(tokenize="zh" if is_cjk else "13a", effective_order=False)
