"""SQuAD's files: every question a row, unanswerable ones too; answers where they are said to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightune
from lightune.core.progress import Show
from lightune.data.read import read
from lightune.data.settings import DataSettings
from lightune.request import Request
from lightune.steps.inspect import inspect
from tests.making import TinyModel, train_tiny

CONTEXT = "Maria Curie was born in Warsaw in 1867. She moved to Paris."
QUIET = Show(is_quiet=True)


def squad(questions: list[dict[str, Any]], context: str = CONTEXT) -> dict[str, Any]:
    paragraph = {"context": context, "qas": questions}
    return {"version": "v2.0", "data": [{"title": "Curie", "paragraphs": [paragraph]}]}


def question(number: int, text: str, answer: str | None, start: int | None = None) -> dict[str, Any]:
    place = CONTEXT.find(answer) if answer and start is None else start
    answers = [] if answer is None else [{"text": answer, "answer_start": place}]
    return {"id": str(number), "question": text, "answers": answers, "is_impossible": answer is None}


def test_questions_become_rows(tmp_path: Path) -> None:
    file = tmp_path / "train-v2.0.json"
    file.write_text(
        json.dumps(squad([question(0, "Where was she born?", "Warsaw"), question(1, "Who shot whom?", None)]))
    )
    splits = read(str(file), DataSettings())
    assert (splits.task, splits.text, splits.label) == ("answer", ("question", "context"), "answers")
    first, second = splits.train.rows
    assert first.values["answers"] == [{"text": "Warsaw", "answer_start": 24}]
    assert (second.values["answers"], second.values["is_impossible"]) == ([], True)


def test_check_finds_misplaced_answers(tmp_path: Path) -> None:
    file = tmp_path / "dev.json"
    wrong = [question(0, "Where?", "Warsaw", 3), question(1, "Where?", "Paris"), question(2, " ", "Paris")]
    file.write_text(json.dumps(squad(wrong)))
    found = inspect(Request(data=str(file)), QUIET)["problems"]
    kinds = {(one["kind"], one["row"], one["is_fatal"]) for one in found}
    assert ("answer_elsewhere", 0, True) in kinds
    assert ("empty_question", 2, False) in kinds


def test_answers_of_a_run_lie_in_the_context(tiny: TinyModel, tmp_path: Path) -> None:
    """Long contexts too: no word is lost to the model's limit, and the place is that of the text."""
    long = "filler words here. " * 60 + CONTEXT
    items = [question(n, f"Where was she born {n}?", "Warsaw", long.index("Warsaw")) for n in range(12)]
    items += [question(20 + n, f"Who shot whom {n}?", None) for n in range(12)]
    file = tmp_path / "long.json"
    file.write_text(json.dumps(squad(items, long)))
    groups = {"train": {"epochs": 1}, "data": {"max_length": 64}}
    summary = train_tiny(tmp_path, tiny("bert", num_layers=2), data=file, groups=groups)
    assert summary["task"] == "answer"
    assert {"exact_match", "f1"} <= set(summary["metrics"]["test"])
    assert "were cut" not in summary["truncation"]
    run = lightune.load(tmp_path / "run")
    run.task.has_unanswerable = False  # type: ignore[attr-defined]
    (said,) = run.predict([("Where was she born?", long)])
    start = int(said.scores["start"])
    assert long[start : start + len(said.label)] == said.label
    assert 0 < len(said.label.split()) <= 40


def test_plain_columns_are_recognised(tmp_path: Path) -> None:
    file = tmp_path / "qa.jsonl"
    rows = [
        {"question": f"what is number {n}", "context": f"number {n} is item{n} here", "answer": f"item{n}"}
        for n in range(12)
    ]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    found = inspect(Request(data=str(file)), QUIET)
    assert found["task"] == "answer"
    assert found["columns"]["text"] == ["question", "context"]
