"""What each change does to a text, and what it leaves alone."""

from __future__ import annotations

import random

import pytest

from lightune.data.perturb import CHANGES, longer, lower, names, negate, shorter, typos, upper

TEXT = "The plot is thin, and Mary does not care about Peter or Mary."


def test_a_typo_keeps_the_ends_of_a_word() -> None:
    seen = set()
    for seed in range(50):
        changed = typos("wonderful", random.Random(seed))
        assert changed != "wonderful" and abs(len(changed) - 9) <= 1
        assert changed[0] == "w" and changed[-1] == "l"
        seen.add(changed)
    assert len(seen) > 10
    long = " ".join(["wonderful"] * 30)
    assert sum(word != "wonderful" for word in typos(long, random.Random(0)).split()) == 3


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It is good.", "It is not good."),
        ("It is not good.", "It is good."),
        ("It wasn't good.", "It was good."),
        ("I never liked it.", "I liked it."),
        ("You can't miss it.", "You can miss it."),
        ("It won’t do.", "It will do."),
        ("One cannot say.", "One can say."),
        ("Good.", "Good."),
    ],
)
def test_negation_comes_and_goes(text: str, wanted: str) -> None:
    assert negate(text, random.Random(0)) == wanted


def test_names_become_others_of_the_same_sex_everywhere() -> None:
    changed = names(TEXT, random.Random(0)).split()
    assert changed[5] == changed[-1].rstrip(".") != "Mary" and changed[-3] != "Peter"
    assert names("A markedly peter pan", random.Random(0)) == "A markedly peter pan"


def test_case_and_length() -> None:
    chance = random.Random(0)
    assert lower("A b C", chance) == "a b c" and upper("a b", chance) == "A B"
    assert shorter("one two three four", chance) == "one two" and longer("a b", chance) == "a b a b"
    assert shorter("很好看的电影", chance) == "很好看" and sorted(typos("很好看", chance)) == sorted("很好看")


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("text", ["", " ", "x", "12 %", "it"])
def test_poor_texts_break_nothing(name: str, text: str) -> None:
    assert isinstance(CHANGES[name](text, random.Random(0)), str)
