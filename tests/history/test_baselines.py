"""Baselines learn what a bag of words can learn, and answer in the form of gold."""

from __future__ import annotations

import random
from typing import Any

import pytest

from lightune.core.progress import Show
from lightune.core.rows import Example
from lightune.history._pieces import is_written_without_spaces
from lightune.steps.baselines import Lesson, Rung, run_baselines


def run(train: list[tuple[Any, Any]], test: list[Any], kind: Any, **options: Any) -> dict[str, Rung]:
    """The rungs by name; texts may be given as one string."""

    def example(texts: Any, gold: Any = None) -> Example:
        return Example(texts if isinstance(texts, tuple) else (texts,), gold)

    examples = [example(texts, gold) for texts, gold in train]
    lesson = Lesson(examples, [example(text) for text in test], kind, **options)
    rungs = run_baselines(lesson, Show(is_quiet=True))
    assert [rung.name for rung in rungs] == ["majority", "tfidf_lr"]
    assert all(rung.seconds >= 0 for rung in rungs)
    return {rung.name: rung for rung in rungs}


def test_classes_are_learnt_from_words() -> None:
    train = [("a good warm film", "pos")] * 6 + [("a bad cold film", "neg")] * 5
    rungs = run(train, ["good", "cold and bad"], "classes")
    assert rungs["majority"].predictions == ["pos", "pos"]
    assert rungs["tfidf_lr"].predictions == ["pos", "neg"]


def test_chinese_is_read_in_characters() -> None:
    train = [
        ("房间很干净,服务也好", "好评"),
        ("早餐好吃,位置也好", "好评"),
        ("房间太脏了,很吵", "差评"),
        ("太贵,又脏又吵", "差评"),
    ]
    rungs = run(train, ["真干净服务好", "厕所脏而且吵"], "classes")
    assert rungs["tfidf_lr"].predictions == ["好评", "差评"]
    assert is_written_without_spaces(["房间很干净", "OK 的"])
    assert not is_written_without_spaces(["a good film, 好", "방이 깨끗해요"])


def test_pairs_see_overlap() -> None:
    generator = random.Random(0)
    words = [f"w{number}" for number in range(30)]

    def pair(is_same: bool) -> tuple[tuple[str, str], str]:
        first = generator.sample(words, 6)
        second = generator.sample(first, 6) if is_same else generator.sample(words, 6)
        return (" ".join(first), " ".join(second)), "same" if is_same else "other"

    train = [pair(number % 2 == 0) for number in range(400)]
    test = [pair(number % 2 == 0) for number in range(100)]
    predicted = run(train, [texts for texts, _ in test], "classes")["tfidf_lr"].predictions
    right = sum(answer == gold for answer, (_, gold) in zip(predicted, test, strict=True))
    assert right >= 85


def test_label_sets() -> None:
    train = [("sun and rain", ["rain", "sun", "all"]), ("sun", ["sun", "all"]), ("rain", ["rain", "all"])] * 4
    train += [("sun", ["sun", "all"])] * 2
    rungs = run(train, ["rain", "sun and rain"], "labels")
    assert rungs["majority"].predictions == [["all", "sun"]] * 2
    assert rungs["tfidf_lr"].predictions == [["all", "rain"], ["all", "rain", "sun"]]


def test_rows_without_any_label() -> None:
    rungs = run([("a", []), ("b", [])], ["c"], "labels")
    assert rungs["majority"].predictions == rungs["tfidf_lr"].predictions == [[]]


def test_numbers() -> None:
    train = [(" ".join(["good"] * many + ["bad"] * (4 - many)), float(many)) for many in range(5)] * 30
    rungs = run(train, ["good good good good", "bad bad bad bad"], "number")
    assert rungs["majority"].predictions == [2.0, 2.0]
    high, low = rungs["tfidf_lr"].predictions
    assert isinstance(high, float) and low < 1.5 and high > 2.5 and low >= 0 and high <= 4


def test_balanced_finds_the_rare_class() -> None:
    train = [("plain", "common")] * 51 + [("plain mark", "common")] * 6 + [("plain mark", "rare")] * 3
    usual = run(train, ["plain mark"], "classes")["tfidf_lr"].predictions
    balanced = run(train, ["plain mark"], "classes", is_balanced=True)["tfidf_lr"].predictions
    assert (usual, balanced) == (["common"], ["rare"])


@pytest.mark.parametrize("texts", [["...", "???"], ["", ""], ["a", "b"]])
def test_texts_without_words_and_one_class_still_answer(texts: list[str]) -> None:
    assert run([(text, "only") for text in texts], ["x"], "classes")["tfidf_lr"].predictions == ["only"]
    two = [(texts[0], "one"), (texts[1], "two")]
    assert run(two, ["x"], "classes")["tfidf_lr"].predictions[0] in {"one", "two"}


def test_thousands_of_rows_without_a_repeated_word() -> None:
    train = [(f"word{number}", "ab"[number % 2]) for number in range(1200)]
    assert len(run(train, ["x", "y"], "classes")["tfidf_lr"].predictions) == 2
