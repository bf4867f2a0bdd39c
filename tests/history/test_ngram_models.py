"""The n-gram models: true probabilities, worked out by hand, and Bayes' rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lightune.history._kneser_ney import AFTER, BEFORE, NUM_MARKS, UNKNOWN, ClassModels, fit_models
from lightune.history.naive_bayes import NaiveBayes
from lightune.history.ngram_models import NgramModels
from lightune.history.word_vectors import mutual_information, near
from tests.making import sentences


def probability(models: ClassModels, before: str, symbol: int, number: int) -> float:
    """P(symbol | the characters before it) in a class."""
    context = [BEFORE] * (len(models.levels) + 1) + [_number(models, one) for one in before]
    ids = np.array([*context, symbol])
    return float(models.probabilities(ids, np.array([len(ids) - 1]), number)[0])


def _number(models: ClassModels, character: str) -> int:
    place = models.symbols.find(character)
    return UNKNOWN if place < 0 else place + NUM_MARKS


@pytest.mark.parametrize("before", ["", "a", "ab", "abra", "zzz", "b\U0001f600a"])
def test_probabilities_sum_to_one_over_the_vocabulary(before: str) -> None:
    models = fit_models(["abracadabra", "abba", "cab", ""], np.array([0, 0, 1, 1]), 2, order=4)
    for number in range(2):
        every = [probability(models, before, symbol, number) for symbol in range(AFTER, models.num_symbols)]
        assert sum(every) == pytest.approx(1) and min(every) > 0


def test_bigram_probabilities_by_hand() -> None:
    """Texts ab, ab, aa. After `a` come b, b, a and the end; before `b` stands a only.

    Counts of `a` + symbol: b 2, a 1, end 1; two of all five bigrams (-a, ab, aa, a-, b-) occur once,
    two twice, so D = 2 / (2 + 2 x 2).
    """
    models = fit_models(["ab", "ab", "aa"], np.zeros(3, dtype=np.int64), 1, order=2)
    level = models.levels[1]
    assert dict(zip(level.keys.tolist(), level.counts.tolist(), strict=True)) == {
        3: 3,  # begin, a
        3 * 5 + 1: 1,  # a, end
        3 * 5 + 3: 1,  # a, a
        3 * 5 + 4: 2,  # a, b
        4 * 5 + 1: 2,  # b, end
    }
    assert level.discounts[0] == pytest.approx(2 / (2 + 2 * 2))
    single = models.levels[
        0
    ]  # after how many symbols each was seen: end after a, b; a after begin, a; b after a
    assert single.counts.tolist() == [2, 2, 1]
    lower_discount = 1 / (1 + 2 * 2)
    uniform = 1 / 4  # a, b, the end, what is not known
    lower_b = ((1 - lower_discount) + lower_discount * 3 * uniform) / 5
    wanted = ((2 - 1 / 3) + 1 / 3 * 3 * lower_b) / 4
    assert probability(models, "a", _number(models, "b"), 0) == pytest.approx(wanted)


def test_text_probability_is_the_product_over_its_characters() -> None:
    models = fit_models(["abracadabra", "cab"], np.array([0, 0]), 1, order=3)
    text = "cabz"
    symbols = [*(_number(models, one) for one in text), AFTER]
    by_hand = sum(np.log(probability(models, text[:place], one, 0)) for place, one in enumerate(symbols))
    assert models.log_probabilities([text, "", text])[[0, 2], 0] == pytest.approx(by_hand)


def test_many_symbols_shorten_the_order() -> None:
    texts = ["".join(chr(0x4E00 + place) for place in range(start, start + 500)) for start in (0, 500, 1000)]
    models = fit_models(texts, np.array([0, 1, 2]), 3, order=9)
    assert 4 <= len(models.levels) < 9
    assert models.log_probabilities(texts).argmax(axis=1).tolist() == [0, 1, 2]


def test_classes_weigh_by_the_prior_unless_balanced() -> None:
    texts: list[Any] = [("x",)] * 9 + [("y",)]
    gold = ["common"] * 9 + ["rare"]
    model = NgramModels("classes").fit(texts, gold)
    assert model.prior_ == pytest.approx(np.log([0.9, 0.1]))
    balanced = NgramModels("classes", is_balanced=True).fit(texts, gold)
    assert balanced.prior_.tolist() == [0, 0]


def test_naive_bayes_is_the_formula() -> None:
    """P(c) x the product of (n_cw + 1) / (n_c + V), worked out with nothing but counts."""
    rows = sentences(60)
    model = NaiveBayes("classes").fit([(text,) for text, _ in rows], [label for _, label in rows])
    words = {word for text, _ in rows for word in text.split()}
    tokens = {
        label: [word for text, own in rows if own == label for word in text.split()]
        for label in ("neg", "pos")
    }
    for text, _ in sentences(20, seed=3):
        scores = {
            label: sum(
                np.log((known.count(word) + 1) / (len(known) + len(words)))
                for word in text.split()
                if word in words
            )
            for label, known in tokens.items()
        }
        assert model.predict([(text,)]) == [max(scores, key=lambda label: scores[label])]


def test_mutual_information_by_hand() -> None:
    """Two texts of two words: each pair stands together once, and never with the other pair."""
    counts = near([np.array([1, 2]), np.array([3, 4])], 5)
    assert counts.toarray().tolist() == [
        [0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 1, 0, 0, 0],
        [0, 0, 0, 0, 1],
        [0, 0, 0, 1, 0],
    ]
    found = mutual_information(counts).toarray()
    assert found[1, 2] == pytest.approx(np.log((1 / 4) / (1 / 4 * 1 / 4)))
    assert found[1, 3] == 0
