"""`check` knows each task: what only its own rows can have wrong, each at its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import lightune
from lightune.core.progress import Show
from lightune.request import Request
from lightune.steps.inspect import inspect

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
FRENCH = ["une maison", "deux portes", "trois jardins", "quatre fenêtres"]
GOOD: dict[str, list[dict[str, Any]]] = {
    "tag": [
        {"words": ["Ada", f"came{n}"], "tags": ["B-PER", "O"] if n % 2 else ["O", "O"]} for n in range(12)
    ],
    "translate": [
        {"en": f"the town {n + 10} has a house", "fr": f"la ville {n + 10} a {FRENCH[n % 4]}"}
        for n in range(12)
    ],
    "instruct": [
        {"prompt": f"what is in town {n}?", "response": f"a house with {n} doors"} for n in range(12)
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

AS_GOOD: dict[str, dict[str, Any]] = {
    "tag": {"words": ["Ada", "went"], "tags": ["B-PER", "O"]},
    "translate": {"en": "the town 90 has a house", "fr": "la ville 90 a une maison"},
    "instruct": {"prompt": "what is in town 90?", "response": "a house with 9 doors"},
    "choose": {"question": "which is 90?", "options": ["it is 90", "none", "all"], "answer": 0},
    "answer": {"question": "which is 90?", "context": "Number 90 is item90.", "answer": "item90"},
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
    ("translate", {"en": "a house of stone", "fr": "a house of stone"}, "untranslated", "'fr'"),
    ("translate", {"en": "a house", "fr": " "}, "empty_translation", "'fr'"),
    ("translate", {"en": "a house of stone", "fr": "ha " * 40}, "misaligned", "times as long"),
    (
        "translate",
        {"en": "the town 45 has a house", "fr": "la ville 46 a une maison"},
        "numbers_differ",
        "45",
    ),
    (
        "translate",
        {"en": "the town 10 has a house", "fr": "la ville 10 a une maison"},
        "duplicate_row",
        "line 1",
    ),
    ("instruct", {"prompt": "what?", "response": ""}, "empty_response", "'response'"),
    (
        "instruct",
        {"prompt": "what is a verb in this?", "response": "what is a verb in this?"},
        "echo",
        "prompt",
    ),
    ("answer", {"question": "q?", "context": "Number 1.", "answer": None}, "missing_label", "'answer'"),
    ("answer", {"question": "q?", "context": "", "answer": []}, "empty_context", "empty"),
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
    assert found(task, AS_GOOD[task], tmp_path) == []


@pytest.mark.parametrize(
    ("file", "labels"),
    [("replies.jsonl", []), ("facts.json", []), ("names.jsonl", ["PERSON", "TOWN", "FIRM"])],
)
def test_only_names_are_counted(file: str, labels: list[str]) -> None:
    assert list(lightune.check(EXAMPLES / file)["labels"]) == labels


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("1,234 people came", "1 234 personnes sont venues"),
        ("It has one door and 20 windows", "Il a une porte et 20 fenêtres"),
        ("It has 2 doors in the front", "Il y a deux portes devant"),
        ("Debian", "Debian"),
        ("Login name", "nom de l’utilisateur pour la connexion ;"),
        ("Table 18. The 3 parts of it", "Tableau 18. Les trois parties"),
        ("room 007 is upstairs here", "la chambre 7 est en haut"),
    ],
)
def test_good_translations_are_left_alone(source: str, target: str, tmp_path: Path) -> None:
    assert found("translate", {"en": source, "fr": target}, tmp_path) == []


def test_chats_are_compared_as_wholes(tmp_path: Path) -> None:
    """The same last turn after another beginning is no repeat; the same reply to two prompts neither."""

    def chat(*turns: str) -> dict[str, Any]:
        return {
            "messages": [
                {"role": ("user", "assistant")[n % 2], "content": one} for n, one in enumerate(turns)
            ]
        }

    rows = [chat(f"question {n}", f"answer {n}", "and then?", "nothing") for n in range(12)]
    file = tmp_path / "chats.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[3]]))
    result = inspect(Request(data=str(file)), Show(is_quiet=True))
    assert [(one["kind"], one["line"]) for one in result["problems"]] == [("duplicate_row", 13)]
