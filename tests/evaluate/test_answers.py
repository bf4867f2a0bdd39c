"""Exact match and F1 of answers, case by case after SQuAD's published definition, worked out by hand."""

from __future__ import annotations

import pytest

from lightune.evaluate.answers import exact, f1, normalised

CASES = [
    ("The Norman dynasty", ["Norman dynasty"], 1.0, 1.0),  # articles do not count
    ("in the 10th and 11th centuries", ["10th and 11th centuries"], 0.0, 8 / 9),  # 4 of 5 words, 4 of 4
    ("Denmark, Iceland and Norway.", ["Denmark, Iceland and Norway"], 1.0, 1.0),
    ("a an the", ["the"], 1.0, 1.0),  # both are nothing
    ("", ["something"], 0.0, 0.0),
    ("something", [], 0.0, 0.0),  # there was no answer
    ("", [], 1.0, 1.0),
    ("It's 5.5%", ["its 55"], 1.0, 1.0),  # marks are taken out, not replaced
    ("red red blue", ["red blue blue"], 0.0, 2 / 3),  # words count as often as they occur in both
    ("in Paris", ["Rome", "Paris", "the city of Paris"], 0.0, 2 / 3),  # the best gold answer counts
]


@pytest.mark.parametrize(("said", "gold", "match", "overlap"), CASES)
def test_published_definition(said: str, gold: list[str], match: float, overlap: float) -> None:
    assert exact(said, gold) == match
    assert f1(said, gold) == pytest.approx(overlap, abs=1e-9)


def test_articles_inside_words_stay() -> None:
    assert normalised("Theatre, an anthem") == "theatre anthem"


def test_chinese_counts_characters() -> None:
    assert f1("北京市", ["北京"]) == pytest.approx(0.8)
