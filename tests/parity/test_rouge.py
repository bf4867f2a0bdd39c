"""ROUGE as in Lin 2004: the paper's own examples, and the reference library's own figures."""

from __future__ import annotations

import pytest

from lightune.evaluate.texts import ROUGE, Words, text_metrics

# Lin 2004, section 3: of one reference, and four sentences that share words with it.
REFERENCE = "police killed the gunman"
CASES = [
    ("police kill the gunman", 3 / 4, 3 / 4),
    ("the gunman kill police", 3 / 4, 2 / 4),
    ("the gunman police killed", 4 / 4, 2 / 4),
]


@pytest.mark.parametrize(("said", "one", "longest"), CASES)
def test_the_papers_own_examples(said: str, one: float, longest: float) -> None:
    metrics, intervals = text_metrics([said], [REFERENCE], names=ROUGE)
    assert metrics["rouge1"] == pytest.approx(one)
    assert metrics["rougeL"] == pytest.approx(longest)
    assert set(intervals) == set(ROUGE)


@pytest.mark.parity
def test_equals_the_library_on_english() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    said = ["The cat sat, quietly, on a mat!", "", "It's 3 o'clock in Oslo."]
    gold = ["A cat sat on the mat.", "nothing", "It was 4 o'clock in Oslo"]
    scorer = RougeScorer(list(ROUGE))  # with its own way to cut English
    metrics, _ = text_metrics(said, gold, names=ROUGE)
    for name in ROUGE:
        scores = [scorer.score(right, one)[name].fmeasure for one, right in zip(said, gold, strict=True)]
        assert metrics[name] == pytest.approx(sum(scores) / 3, abs=1e-6)


def test_chinese_is_counted_by_characters() -> None:
    assert Words().tokenize("\u6211\u7231 Oslo, 2024!") == ["\u6211", "\u7231", "oslo", "2024"]
    metrics, _ = text_metrics(["\u6211\u7231\u4f60"], ["\u6211\u7231\u4ed6"], names=ROUGE)
    assert metrics["rouge1"] == pytest.approx(2 / 3) and metrics["rouge2"] == pytest.approx(1 / 2)
