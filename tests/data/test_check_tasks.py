"""`check` knows each task: what only its own rows can have wrong, each at its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lightune.core.progress import Show
from lightune.request import Request
from lightune.steps.inspect import inspect

GOOD: dict[str, list[dict[str, Any]]] = {
    "tag": [
        {"words": ["Ada", f"came{n}"], "tags": ["B-PER", "O"] if n % 2 else ["O", "O"]} for n in range(12)
    ],
    "choose": [
        {"question": f"which is {n}?", "options": [f"it is {n}", "none", "all"], "answer": 0}
        for n in range(12)
    ],
    "answer": [
        {"question": f"which is {n}?", "context": f"Number {n} is item{n}.", "answer": f"item{n}"}
        for n in range(12)
    ],
}


def found(task: str, row: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """What is found with one more row below the good ones."""
    file = folder / "data.jsonl"
    rows = [*GOOD[task], row]
    file.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), encoding="utf-8")
    problems: list[dict[str, Any]] = inspect(Request(data=str(file), task=task), Show(is_quiet=True))[
        "problems"
    ]
    assert all(problem["file"] == str(file) for problem in problems)
    return problems


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("tag", {"words": ["he", "left"], "tags": ["O", "I-PER"]}, "broken_scheme", "word 2"),
    ("tag", {"words": ["he", "left"], "tags": ["O"]}, "tag_count", "2 words and 1 tags"),
    ("choose", {"question": "q?", "options": ["a", "a", "b"], "answer": 2}, "same_option_twice", "twice"),
    ("choose", {"question": "q?", "options": ["a", "b"], "answer": 5}, "answer_not_an_option", "'5'"),
    ("choose", {"question": "q?", "options": ["a", "b"], "answer": None}, "missing_label", "'answer'"),
    (
        "answer",
        {"question": "q?", "context": "Number 1.", "answer": "item9"},
        "answer_not_in_context",
        "'item9'",
    ),
]


@pytest.mark.parametrize(("task", "row", "kind", "words"), BAD)
def test_a_bad_row_is_found_at_its_line(
    task: str, row: dict[str, Any], kind: str, words: str, tmp_path: Path
) -> None:
    problems = [one for one in found(task, row, tmp_path) if one["kind"] == kind]
    assert [(one["line"], one["row"]) for one in problems] == [(13, 12)]
    assert words in problems[0]["message"]


@pytest.mark.parametrize("task", GOOD)
def test_good_rows_have_no_problem(task: str, tmp_path: Path) -> None:
    extra = {
        key: str(value).replace("0", "90") if isinstance(value, str) else value
        for key, value in GOOD[task][0].items()
    }
    extra |= {"options": ["it is 90", "none", "all"]} if task == "choose" else {}
    extra |= {"words": ["Ada", "went"]} if task == "tag" else {}
    assert found(task, extra, tmp_path) == []
