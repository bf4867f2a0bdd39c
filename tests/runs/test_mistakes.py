"""The section of the worst mistakes: colours, lines round what differs, long texts round their marks."""

from __future__ import annotations

import re
from typing import Any

from lightune.core.shown import Mark, Shown
from lightune.runs.mistakes import worst_mistakes
from tests.runs.test_report import EVIL, parse


def row(number: int, probability: float | None = None, **cells: Shown) -> dict[str, Any]:
    return {"row": number, "probability": probability, "cells": cells}


def test_nothing_is_shown_of_no_mistakes() -> None:
    assert worst_mistakes([]) == ""


def test_everything_is_escaped() -> None:
    cell = Shown(f"{EVIL} end", (Mark(0, len(EVIL), EVIL),), (EVIL,))
    html = worst_mistakes([row(1, 0.5, **{EVIL: cell})])
    parse(html)
    assert "<script" not in html and html.count("&lt;script&gt;") == 4


def test_only_what_differs_is_outlined() -> None:
    text = "Ada saw Rome"
    right = Shown(text, (Mark(0, 3, "PER"), Mark(8, 12, "LOC")))
    said = Shown(text, (Mark(0, 3, "PER"), Mark(8, 12, "PER")))
    html = worst_mistakes([row(4, 0.75, right=right, said=said)])
    spans = re.findall(r'<mark style="([^"]*)">(\w+)', html)
    assert [(word, "dashed" in style) for style, word in spans] == [
        ("Ada", False),
        ("Rome", True),
        ("Ada", False),
        ("Rome", True),
    ]
    assert "is outlined" in html and "75%" in html and "How sure" in html
    hues = [re.search(r"hsl\((\d+)", style) for style, _ in spans]
    assert hues[0] and hues[1] and hues[3]
    assert hues[0][1] == hues[3][1] != hues[1][1], "a colour for each name"


def test_of_many_names_only_what_differs_is_marked() -> None:
    words = [f"w{number:02}" for number in range(14)]
    text, marks = " ".join(words), [Mark(4 * n, 4 * n + 3, f"T{n}") for n in range(14)]
    html = worst_mistakes([row(0, right=Shown(text, tuple(marks)), said=Shown(text, tuple(marks[1:])))])
    assert re.findall(r"<mark[^>]*>(\w+)", html) == ["w00"]


def test_long_texts_are_shown_round_their_marks_alike() -> None:
    text = "".join(f"word{number:04} " for number in range(400))
    start = text.index("word0200")
    near = start + 27  # three words on
    cells = {
        "right": Shown(text, (Mark(start, start + 8, "", "right"),)),
        "said": Shown(text, (Mark(near, near + 8, "", "wrong"),)),
    }
    html = worst_mistakes([row(0, **cells)])
    assert html.count("word0200") == html.count("word0203") == 2, "both cells show both places"
    assert "word0100" not in html and "word0300" not in html and html.count("…") == 4
    far = text.index("word0390")
    html = worst_mistakes(
        [row(0, right=cells["right"], said=Shown(text, (Mark(far, far + 8, "", "wrong"),)))]
    )
    assert html.count("word0390") == 1, "what lies too far away has its own part"


def test_lines_of_a_cell_stay_lines() -> None:
    html = worst_mistakes(
        [row(0, options=Shown("a (1%)\nb (99%)", (Mark(0, 1, "right", "right"),), ("note",)))]
    )
    assert "<br>b (99%)<br>" in html and "hsl(140" in html
