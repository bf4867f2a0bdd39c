"""Multiple-choice rows as several data sets write them: the same options, the same right one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lightune.core.progress import Show
from lightune.data.options import first_number, options_of, place_of
from lightune.request import Request
from lightune.steps.inspect import inspect

ROWS: dict[str, tuple[dict[str, Any], Any]] = {
    "race": ({"article": "a", "question": "q", "options": ["x", "y", "z"]}, "B"),
    "swag": ({"ctx": "c", "ending0": "x", "ending1": "y", "ending2": "z"}, 1),
    "commonsense": ({"question": "q", "choices": {"label": ["A", "B", "C"], "text": ["x", "y", "z"]}}, "B"),
    "copa": ({"premise": "p", "choice1": "x", "choice2": "y"}, 1),
    "letters": ({"question": "q", "option_a": "x", "option_b": "y", "option_c": "z"}, "b"),
    "text": ({"question": "q", "options": '["x", "y"]'}, "y"),
}


@pytest.mark.parametrize("name", ROWS)
def test_every_form_says_the_same(name: str) -> None:
    values, gold = ROWS[name]
    assert options_of(values)[:2] == ("x", "y")
    assert place_of(gold, values) == 1


def test_numbers_may_count_from_one() -> None:
    """WinoGrande says 1 and 2, PIQA 0 and 1, both beside columns that end in 1 and 2."""
    values = {"sentence": "s", "option1": "x", "option2": "y"}
    assert place_of("2", values, first=first_number({"1", "2"})) == 1
    assert place_of("1", values, first=first_number({"0", "1"})) == 1
    assert first_number({"A", "B"}) == 0


def test_what_is_no_option_is_none() -> None:
    values = ROWS["race"][0]
    assert place_of("D", values) is None
    assert place_of(7, values) is None
    assert options_of({"question": "q", "answer": "x"}) == ()


def test_check_names_the_row(tmp_path: Path) -> None:
    good = {"question": "which?", "options": ["x", "y"], "answer": "A"}
    bad = [{**good, "answer": "E"}, {**good, "options": ["x"]}]
    file = tmp_path / "choices.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in [good] * 8 + bad))
    found = inspect(Request(data=str(file), task="choose"), Show(is_quiet=True))["problems"]
    kinds = {(one["kind"], one["line"], one["is_fatal"]) for one in found}
    assert ("answer_not_an_option", 9, True) in kinds
    assert ("no_options", 10, True) in kinds


def test_auto_recognises_options(tmp_path: Path) -> None:
    rows = [{"question": f"which {n}?", "options": ["x", "y"], "answer": "AB"[n % 2]} for n in range(10)]
    file = tmp_path / "choices.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    assert inspect(Request(data=str(file)), Show(is_quiet=True))["task"] == "choose"
