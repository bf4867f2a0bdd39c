"""SQuAD's files: every question a row, unanswerable ones too; answers where they are said to be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import lightune
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.data.formats import squad as squad_format
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


LAYOUTS = {
    "official": {},
    "tight": {"separators": (",", ":")},
    "indented": {"indent": 2, "ensure_ascii": False},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("version", ["1.1", "v2.0"])
def test_files_are_written_again_byte_by_byte(version: str, layout: str, tmp_path: Path) -> None:
    items = [question(0, "Où est-elle née ?", "Warsaw"), question(1, "Where did she move?", "Paris")]
    items[1]["answers"] *= 3  # dev files have an answer an annotator
    document = squad(items) | {"version": version}
    if version == "1.1":
        for one in items:
            del one["is_impossible"]
    else:
        plausible = {"text": "Paris", "answer_start": CONTEXT.index("Paris")}
        items.append(question(2, "Who shot whom?", None) | {"plausible_answers": [plausible]})
    text = json.dumps(document, **LAYOUTS[layout])  # type: ignore[arg-type]
    file = tmp_path / "dev.json"
    file.write_text(text, encoding="utf-8", newline="")
    rows = read(str(file), DataSettings()).train.rows
    assert squad_format.write(text, rows) == text
    other = [{"text": "1867", "answer_start": CONTEXT.index("1867")}]
    changed = [replace(rows[0], values={**rows[0].values, "answers": other}), *rows[1:]]
    items[0]["answers"] = other
    assert squad_format.write(text, changed) == json.dumps(document, **LAYOUTS[layout])  # type: ignore[arg-type]


def test_a_file_of_no_known_layout_comes_back_too(tmp_path: Path) -> None:
    text = json.dumps(squad([question(0, "Where?", "Warsaw")])).replace('"data": ', '"data":   ') + "\n\n"
    file = tmp_path / "dev.json"
    file.write_text(text, encoding="utf-8")
    assert squad_format.write(text, read(str(file), DataSettings()).train.rows) == text


def mrqa(*contexts: dict[str, Any]) -> str:
    header = {"header": {"dataset": "SQuAD", "split": "dev"}}
    return "".join(json.dumps(one) + "\n" for one in (header, *contexts))


def mrqa_context() -> dict[str, Any]:
    start = CONTEXT.index("Warsaw")
    detected = {"text": "Warsaw", "char_spans": [[start, start + 5]], "token_spans": [[5, 5]]}
    asked = {"qid": "q1", "question": "Where was she born?", "question_tokens": [], "answers": ["warsaw"]}
    blind = {"qid": "q2", "question": "When?", "question_tokens": []}
    return {
        "id": "",
        "context": CONTEXT,
        "context_tokens": [["Maria", 0]],
        "qas": [{**asked, "detected_answers": [detected]}, blind],
    }


def test_mrqa(tmp_path: Path) -> None:
    file = tmp_path / "SQuAD.jsonl"
    file.write_text(mrqa(mrqa_context(), mrqa_context()))
    splits = read(str(file), DataSettings())
    assert (splits.task, splits.train.format) == ("answer", "mrqa")
    assert (splits.text, splits.label) == (("question", "context"), "answers")
    first, second, *_ = splits.train.rows
    assert (first.line, len(splits.train)) == (2, 4)
    assert first.values["answers"] == [{"text": "Warsaw", "answer_start": 24}]
    assert (first.values["id"], first.values["aliases"]) == ("q1", ["warsaw"])
    assert second.values["answers"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [({"char_spans": [[50, 90]]}, "not in the context"), ({"char_spans": None}, "broken")],
)
def test_mrqa_mistakes_have_a_line(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    broken = mrqa_context()
    broken["qas"][0]["detected_answers"][0] |= change
    file = tmp_path / "dev.jsonl"
    file.write_text(mrqa(mrqa_context(), broken))
    with pytest.raises(UserError, match=words) as caught:
        read(str(file), DataSettings())
    assert caught.value.line == 3
