"""N-gram models: the smoothing against a slow implementation of the paper, sums, spelling, round trip."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lightune.core.progress import Show
from lightune.data.corpus import Corpus
from lightune.data.settings import DataSettings
from lightune.history.language._kneser_ney import FALLBACK, FIRST, START, STOP, learn_table
from lightune.history.language.base import How, Lesson, Log, NoSettings
from lightune.history.language.ngram import Ngram, NgramSettings

NUM_WORDS = FIRST + 90
Words = tuple[int, ...]


def random_texts(num_texts: int, seed: int = 0) -> list[list[int]]:
    """Synthetic texts: each word depends on the one before it."""
    generator = np.random.default_rng(seed)
    texts = []
    for _ in range(num_texts):
        text = [START]
        while len(text) < 12:
            rank = min(int(generator.zipf(1.4)), NUM_WORDS - FIRST) - 1  # few words are frequent, many rare
            text.append(FIRST + (rank + text[-1] % 2) % (NUM_WORDS - FIRST))
        texts.append([*text, STOP])
    return texts


class Slow:
    """Chen and Goodman's formulas with dictionaries, one n-gram at a time."""

    def __init__(self, texts: Sequence[Sequence[int]], order: int) -> None:
        self.order = order
        raw: list[Counter[Words]] = [Counter() for _ in range(order + 1)]
        for text in texts:
            for length in range(1, order + 1):
                for start in range(len(text) - length + 1):
                    raw[length][tuple(text[start : start + length])] += 1
        self.counts: list[dict[Words, int]] = [{} for _ in range(order + 1)]
        for length in range(1, order + 1):
            before = defaultdict(set)
            if length < order:
                for gram in raw[length + 1]:
                    before[gram[1:]].add(gram[0])
            for gram, number in raw[length].items():
                is_raw = length == order or gram[0] == START
                self.counts[length][gram] = number if is_raw else len(before[gram])
        self.counts[1][(START,)] = 0
        self.discounts = [self._discounts(length) for length in range(order + 1)]

    def _discounts(self, length: int) -> list[float]:
        rare = Counter(self.counts[length].values())
        if length == 0:
            return []
        assert all(rare[c] for c in (1, 2, 3, 4)), "the texts are too few for the formulas"
        share = rare[1] / (rare[1] + 2 * rare[2])
        return [0.0, *(c - (c + 1) * share * rare[c + 1] / rare[c] for c in (1, 2, 3))]

    def probability(self, context: Words, word: int) -> float:
        """P(word | context) by the recursion of the paper."""
        if len(context) + 1 > self.order:
            context = context[len(context) + 1 - self.order :]
        length = len(context) + 1
        following = {gram[-1]: c for gram, c in self.counts[length].items() if gram[:-1] == context and c}
        below = 1 / (NUM_WORDS - 1) if length == 1 else self.probability(context[1:], word)
        total = sum(following.values())
        if not total:
            return below
        taken = [self.discounts[length][min(number, 3)] for number in following.values()]
        number = following.get(word, 0)
        kept = number - self.discounts[length][min(number, 3)]
        return kept / total + sum(taken) / total * below


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_equals_the_formulas_of_the_paper(order: int) -> None:
    texts = random_texts(400)
    table, slow = learn_table(np.concatenate(texts), NUM_WORDS, order), Slow(texts, order)
    assert FALLBACK not in table.discounts, "the texts are too few for the formulas"
    for text in random_texts(5, seed=1):
        found = table.score(np.array(text))[1:]
        wanted = [slow.probability(tuple(text[:place]), text[place]) for place in range(1, len(text))]
        assert found == pytest.approx(np.log(wanted), abs=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_sums_to_one_after_every_context(order: int) -> None:
    table = learn_table(np.concatenate(random_texts(80)), NUM_WORDS, order)
    for text in random_texts(3, seed=2):
        for place in range(1, len(text)):
            shares = table.distribution(text[:place])
            assert shares.sum() == pytest.approx(1, abs=1e-6)
            assert shares.min() >= 0
            scored = table.score(np.array(text[: place + 1]))[-1]
            assert np.log(shares[text[place]]) == pytest.approx(scored, abs=1e-6)


def learn(folder: Path, lines: Sequence[str], **settings: object) -> Ngram:
    """A model of these lines, which are its held-out lines as well."""
    file = folder / "corpus.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    corpus = Corpus("corpus.txt", (file,), DataSettings())
    chosen = NgramSettings(**settings)
    lesson = Lesson(corpus, corpus, chosen, NoSettings(), 0, Show(is_quiet=True), folder, Log())
    return Ngram.train(lesson)


LINES = [
    "The cat sat on the mat.",
    "The dog sat on the mat.",
    "The cat saw a dog, and the dog saw a cat!",
    "A mat is  no place for a cat's dinner.",
] * 3


@pytest.mark.parametrize("unit", ["words", "whitespace", "characters", "subwords"])
def test_tokens_make_up_the_text_and_its_probability(tmp_path: Path, unit: str) -> None:
    model = learn(tmp_path, LINES, unit=unit, order=3)
    for text in ("The cat sat on a dog.", "Zebras saw 猫 on the mat"):
        scored = model.score(text)
        assert "".join(scored.tokens) == text + "\n" or unit == "subwords"
        assert len(scored.tokens) == len(scored.log_probabilities)
        assert scored.num_bytes == len(text.encode()) + 1
        assert scored.log_probabilities.max() < 0
    shares = model.distribution("The cat")
    assert len(shares) == len(model.vocabulary)
    assert shares.sum() == pytest.approx(1, abs=1e-6)


def test_probability_of_a_token_is_that_of_the_distribution(tmp_path: Path) -> None:
    model = learn(tmp_path, LINES, unit="words", order=4)
    scored = model.score("The cat sat on the mat.")
    for place in range(1, len(scored.tokens)):
        shares = model.distribution("".join(scored.tokens[:place]))
        word = model.vocabulary.index("</s>" if place == len(scored.tokens) - 1 else scored.tokens[place])
        assert np.log(shares[word]) == pytest.approx(scored.log_probabilities[place], abs=1e-6)


def test_unknown_word_costs_its_spelling(tmp_path: Path) -> None:
    model = learn(tmp_path, [*LINES, "Quick brown foxes jumped over lazy hedges"], unit="words")
    short, long = model.score("The fox sat"), model.score("The foxtrotting sat")
    assert short.tokens[1] == " fox"
    assert long.log_probabilities[1] < short.log_probabilities[1] < np.log(model.distribution("The")[0])


def test_saved_and_opened_gives_the_same(tmp_path: Path) -> None:
    model = learn(tmp_path, LINES, unit="subwords", vocabulary=300)
    folder = tmp_path / "saved"
    folder.mkdir()
    model.save(folder)
    opened = Ngram.load(folder)
    assert isinstance(opened.table.orders[1].keys, np.memmap)
    text = "A cat saw the mat"
    assert (opened.score(text).log_probabilities == model.score(text).log_probabilities).all()
    assert opened.describe() == model.describe()
    how = How(max_new_tokens=8, temperature=1.0, seed=3)
    assert opened.generate("The", how) == model.generate("The", how)


def test_writes_what_it_read(tmp_path: Path) -> None:
    model = learn(tmp_path, ["one two three four five six"] * 4, unit="whitespace", order=3)
    assert model.generate("one two", How(max_new_tokens=10)) == "three four five six"
