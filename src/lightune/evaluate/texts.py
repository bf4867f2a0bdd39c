"""Generated texts against references: BLEU and chrF by sacrebleu, ROUGE by rouge-score, exact match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lightune.core.errors import missing_extra
from lightune.core.spans import split_words
from lightune.evaluate.intervals import Intervals, bootstrap

RESAMPLES = 300
CJK = range(0x3040, 0xA000)
ROUGE = ("rouge1", "rouge2", "rougeL")  # Lin 2004: the F of shared words, pairs, longest common subsequence


def text_metrics(
    said: Sequence[str], gold: Sequence[str], *, names: Sequence[str], seed: int = 0
) -> tuple[dict[str, float], Intervals]:
    """The metrics called `names` (`bleu`, `chrf`: 0 to 100; others 0 to 1) and 95% intervals.

    Sacrebleu's are corpus scores: the statistics of the sentences are summed, also for each resample. The
    others are means over texts.
    """
    found: dict[str, float] = {}
    intervals: Intervals = {}
    means: dict[str, list[float]] = {}
    if "exact_match" in names:
        means["exact_match"] = [float(a.strip() == b.strip()) for a, b in zip(said, gold, strict=True)]
    if wanted := [name for name in names if name in ROUGE]:
        means |= _rouge(said, gold, wanted)
    for name in names:
        if name in means:
            scores = np.array(means[name])
            found[name] = float(scores.mean())
            intervals |= bootstrap(
                lambda rows, name=name, scores=scores: {name: float(scores[rows].mean())},  # type: ignore[misc]
                len(scores),
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


class Words:
    """Cuts a text for ROUGE: words in lower case, without punctuation; CJK characters stand alone."""

    def tokenize(self, text: str) -> list[str]:
        """The words of a text."""
        words = [text[start:end].lower() for start, end in split_words(text)]
        return [word for word in words if word[0].isalnum()]


def _rouge(said: Sequence[str], gold: Sequence[str], names: Sequence[str]) -> dict[str, list[float]]:
    """(B,) F of each text, for each name. Words are not stemmed.

    Raises:
        UserError: rouge-score is not installed.
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise missing_extra("rouge-score", "metrics") from None
    scorer = RougeScorer(list(names), tokenizer=Words())
    scores = [scorer.score(right, one) for one, right in zip(said, gold, strict=True)]
    return {name: [float(one[name].fmeasure) for one in scores] for name in names}


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
