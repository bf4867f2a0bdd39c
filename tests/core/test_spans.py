"""Spans and tags: every scheme read alike, words cut where spans end, and nothing lost on the way back."""

from __future__ import annotations

import random
from typing import Any

import pytest

from lightune.core.spans import (
    breaks_scheme,
    is_scheme,
    join_words,
    read_spans,
    spans_of,
    split_words,
    to_iob2,
    words_and_tags,
)

WANTED = [(0, 2, "PER"), (2, 3, "PER"), (4, 5, "LOC")]
SCHEMES = {
    "iob1": ["I-PER", "I-PER", "B-PER", "O", "I-LOC"],
    "iob2": ["B-PER", "I-PER", "B-PER", "O", "B-LOC"],
    "bioes": ["B-PER", "E-PER", "S-PER", "O", "S-LOC"],
    "bilou": ["B-PER", "L-PER", "U-PER", "O", "U-LOC"],
    "bmes": ["B-PER", "E-PER", "S-PER", "O", "S-LOC"],
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_says_the_same(scheme: str) -> None:
    assert spans_of(SCHEMES[scheme]) == WANTED
    assert is_scheme(SCHEMES[scheme])
    assert to_iob2(spans_of(SCHEMES[scheme]), 5) == SCHEMES["iob2"]


def test_segmentation_without_types() -> None:
    assert spans_of(list("BMESBE")) == [(0, 3, "_"), (3, 4, "_"), (4, 6, "_")]
    assert is_scheme("BMES")


def test_parts_of_speech_are_no_scheme() -> None:
    assert not is_scheme({"NN", "IN", "B"})
    assert not is_scheme({"O"})


def test_random_spans_come_back() -> None:
    chance = random.Random(1)
    for _ in range(200):
        spans, place = [], 0
        while place < 30:
            start = place + chance.randint(0, 3)
            place = start + chance.randint(1, 4)
            spans.append((start, place, chance.choice("ABC")))
        assert spans_of(to_iob2(spans, place)) == spans


def test_broken_schemes_are_found() -> None:
    assert "I-LOC of word 2" in breaks_scheme(["B-PER", "I-LOC"])
    assert breaks_scheme(["B-PER", "I-PER", "O"]) == ""
    assert breaks_scheme(["B-PER", "M-PER", "E-PER", "S-LOC"]) == ""


@pytest.mark.parametrize(
    "item",
    [
        {"start": 0, "end": 5, "label": "PER"},
        {"start_offset": 0, "end_offset": 5, "label": "PER"},
        {"value": {"start": 0, "end": 5, "labels": ["PER"], "text": "Maria"}, "type": "labels"},
        [0, 5, "PER"],
    ],
)
def test_spans_of_four_programs(item: Any) -> None:
    assert read_spans([item]) == [(0, 5, "PER")]


def test_what_is_no_span_is_refused() -> None:
    assert read_spans(["PER", "O"]) is None
    assert read_spans("PER") is None
    assert read_spans([]) == []
    assert read_spans('[{"start": 1, "end": 2, "label": "X"}]') == [(1, 2, "X")]


def test_words_are_cut_at_the_ends_of_spans() -> None:
    text = "Mariaville lies in Peru."
    words, tags = words_and_tags(text, [(0, 5, "PER"), (19, 23, "LOC")])
    assert [text[a:b] for a, b in words] == ["Maria", "ville", "lies", "in", "Peru", "."]
    assert tags == ["B-PER", "O", "O", "O", "B-LOC", "O"]


def test_chinese_characters_are_words() -> None:
    text = "张三 lives in 北京2008"
    assert [text[a:b] for a, b in split_words(text)] == ["张", "三", "lives", "in", "北", "京", "2008"]


def test_joined_words_stand_where_they_are_said_to() -> None:
    words = ["I", "like", "北京", "烤鸭", "very", "much", "。"]
    text, places = join_words(words)
    assert [text[a:b] for a, b in places] == words
    assert "北京烤鸭" in text
