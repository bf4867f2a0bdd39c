"""Exact match and F1 of answers, case by case after SQuAD's published definition, worked out by hand."""

from __future__ import annotations

import random
import string

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
    ("", ["the", "cat"], 0.0, 0.0),  # a gold answer of nothing but articles is none
    ("cat", ["the", "a cat"], 1.0, 1.0),
    ("cat", ["the"], 0.0, 0.0),  # so that there was no answer
    ("...", [], 1.0, 1.0),  # marks alone say nothing
    ("CAT", ["cat"], 1.0, 1.0),
    (" two\n  words\t", ["two words"], 1.0, 1.0),
    (
        "state-of-the-art",
        ["stateoftheart"],
        1.0,
        1.0,
    ),  # marks go before articles: the hyphens held `the` apart
    ("a-b", ["b"], 0.0, 0.0),  # for the same reason this is the word `ab`
    ("U.S. Army", ["US army"], 1.0, 1.0),
    ("“Rome”", ["Rome"], 0.0, 0.0),  # only ASCII marks count as marks
    ("one two three four", ["three four five"], 0.0, 4 / 7),
    ("two one", ["one two"], 0.0, 1.0),  # F1 knows no order
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


def test_published_definition_word_by_word() -> None:
    """Random answers against the definition in the plainest form: cross shared words out one by one."""
    pieces = ["The", "the", "a", "An", "cat", "Cat,", "cats", "U.S.", "-", "1,000", "it's", "...", "dog"]
    chance = random.Random(0)

    def words_of(text: str) -> list[str]:
        kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
        return [word for word in kept.split() if word not in {"a", "an", "the"}]

    for _ in range(2000):
        said, *gold = (
            " ".join(chance.choices(pieces, k=chance.randint(0, 5))) for _ in range(chance.randint(1, 4))
        )
        wanted = [words_of(one) for one in gold if words_of(one)] or [[]]
        assert exact(said, gold) == max(words_of(said) == one for one in wanted)
        best = 0.0
        for one in wanted:
            rest, words = list(one), words_of(said)
            for word in words:
                if word in rest:
                    rest.remove(word)
            shared = len(one) - len(rest)
            precision, recall = (shared / len(side) if side else 0.0 for side in (words, one))
            overlap = 2 * precision * recall / (precision + recall) if shared else float(words == one)
            best = max(best, overlap)
        assert f1(said, gold) == pytest.approx(best, abs=1e-12)
