"""Every earlier model, with every form of gold that it knows, on synthetic rows that it can learn."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from lightune import history
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.rows import Example
from lightune.core.size import bytes_of
from lightune.history.base import Baseline
from lightune.steps.baselines import baselines_for, climb
from tests.making import sentences

TOPICS = {"pos": ["good"], "neg": ["all", "bad"]}
GOLD: dict[str, Any] = {
    "classes": lambda label: label,
    "labels": lambda label: TOPICS[label],
    "number": lambda label: 4.0 if label == "pos" else 1.0,
}
LEAST_RIGHT = {"majority": -1.0, "word_vectors": 0.6}  # vectors from 160 sentences know little
LEARNABLE = (*GOLD, "tags")


def load(name: str) -> type[Baseline]:
    """The class of an earlier model."""
    return plugins.load(history, name, Baseline)  # type: ignore[type-abstract]


def is_here(kind: type[Baseline]) -> bool:
    """Whether its library is installed, where it needs one of an extra."""
    try:
        importlib.import_module(kind.extra[0] if kind.extra else "lightune")
    except ImportError:
        return False
    return True


def every_rung() -> list[tuple[str, str]]:
    """(name, form of gold) of all of them."""
    found = [load(name) for name in plugins.names(history)]
    return [(one.name, kind) for one in found for kind in LEARNABLE if kind in one.kinds and is_here(one)]


def examples(kind: str, number: int, seed: int = 0) -> list[Example]:
    """Synthetic sentences with their gold answers."""
    found = []
    for text, label in sentences(number, seed):
        words, start = [], 0
        for word in text.split(" "):
            words.append((start, start + len(word)))
            start += len(word) + 1
        if kind == "tags":
            place = text.split(" ").index("was") + 1
            tags = tuple("ADJ" if spot == place else "O" for spot in range(len(words)))
            found.append(Example((text,), tags, words=tuple(words)))
        else:
            found.append(Example((text,), GOLD[kind](label)))
    return found


def is_right(said: Any, gold: Any, kind: str) -> bool:
    """Whether an answer is the gold one; a number counts on the right side of the middle."""
    if kind == "number":
        return abs(said - gold) < 1.5
    return sorted(said) == sorted(gold) if kind == "labels" else said == gold


def share_right(predicted: list[Any], gold: list[Example], kind: str) -> float:
    """Of answers, or of words."""
    if kind == "tags":
        said, wanted = [tag for tags in predicted for tag in tags], [tag for e in gold for tag in e.gold]
    else:
        said, wanted = predicted, [example.gold for example in gold]
    return sum(is_right(one, other, kind) for one, other in zip(said, wanted, strict=True)) / len(wanted)


@pytest.mark.parametrize(("name", "kind"), every_rung())
def test_learns_and_answers_in_the_form_of_gold(name: str, kind: str) -> None:
    build = load(name)
    train, test = examples(kind, 160), examples(kind, 60, seed=1)
    rung = climb(build(kind), train, test)
    assert rung.name == name and build.summary and 0 <= rung.answering_seconds <= rung.seconds
    assert rung.size_bytes > 0 or name == "majority"
    assert len(rung.predictions) == len(test)
    right = share_right(rung.predictions, test, kind)
    assert right > LEAST_RIGHT.get(name, 0.9)


@pytest.mark.parametrize(("name", "kind"), every_rung())
def test_stands_what_data_may_hold(name: str, kind: str) -> None:
    build = load(name)
    few = examples(kind, 4)
    strange = [Example(("",), words=()), Example(("\u4f60\u597d \U0001f600 zzz",), words=((0, 2), (3, 4)))]
    assert len(climb(build(kind), few, strange).predictions) == 2
    if kind != "tags":
        pairs = [Example((*one.texts, "it was so"), one.gold) for one in few]
        assert len(climb(build(kind), pairs, pairs).predictions) == len(few)
        only = [Example(one.texts, few[0].gold) for one in few]
        said = climb(build(kind, is_balanced=True), only, few[:1]).predictions[0]
        assert is_right(said, few[0].gold, kind)


@pytest.mark.parametrize("name", sorted({name for name, kind in every_rung() if kind != "tags"}))
def test_the_same_rows_and_seed_give_the_same_model(name: str) -> None:
    kind = sorted(load(name).kinds - {"tags"})[0]
    said = [climb(load(name)(kind), examples(kind, 30), examples(kind, 20, seed=1)) for _ in range(2)]
    assert said[0].predictions == said[1].predictions


def test_a_form_that_it_does_not_know_is_refused() -> None:
    with pytest.raises(AssertionError, match="does not know"):
        load("tfidf_cosine")("classes")
    with pytest.raises(UserError, match="no history called"):
        load("tfidf")


def test_train_runs_the_quick_ones_only() -> None:
    assert [one.name for one in baselines_for("classes", only_quick=True)] == ["majority", "tfidf_lr"]
    assert [one.name for one in baselines_for("tags", only_quick=True)] == ["majority", "word_tags"]
    found = [one.name for one in baselines_for("classes")]
    assert found[0] == "majority" and found[-1] == "lstm" and len(found) >= 7


def test_size_counts_what_is_kept_once() -> None:
    import numpy as np

    array = np.zeros((3, 5), dtype=np.float32)
    assert bytes_of({"é": array, "same": array, "flag": True}) == 2 + 60 + 4 + 4
    assert bytes_of(lambda: array) == 60
    assert bytes_of([1, 2.5, None, b"abc"]) == 8 + 8 + 3
