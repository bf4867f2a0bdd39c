"""Every format that writes: the answers of its own file filled in again give the file byte by byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lightune.core.rows import Row
from lightune.core.spans import join_words, spans_of
from lightune.data.read import find_format, questions
from lightune.data.settings import DataSettings
from tests.data.test_event_formats import document as dygie_document
from tests.data.test_event_formats import sentence as oneie_sentence
from tests.data.test_relation_formats import SEMEVAL, document, tacred_examples
from tests.data.test_role_formats import NEW, OLD

SETTINGS = DataSettings()


def with_relation(row: Row) -> Row:
    return replace(row, values={**row.values, "probability": 0.5})


def with_spans(row: Row) -> Row:
    """The row's tags as a run says them: spans by characters."""
    _, places = join_words(row.values["words"])
    found = [
        {"start": places[first][0], "end": places[behind - 1][1], "type": kind}
        for first, behind, kind in spans_of(row.values["tags"])
    ]
    return replace(row, values={**row.values, "tags": None, "spans": found})


FILES: list[tuple[str, str, Callable[[Row], Row], tuple[str, str]]] = [
    ("train.txt", SEMEVAL, with_relation, ("Other", "Cause-Effect(e1,e2)")),
    ("windows.txt", SEMEVAL.replace("\n", "\r\n"), with_relation, ("Other", "Cause-Effect(e1,e2)")),
    ("tacred.json", json.dumps(tacred_examples()), with_relation, ("no_relation", "org:founded")),
    ("dygie.json", json.dumps(dygie_document()) + "\n", lambda row: row, ("", "")),
    ("oneie.json", json.dumps(oneie_sentence()) + "\n", lambda row: row, ("", "")),
    ("roles.props", OLD, with_spans, ("", "")),
    ("roles_conll", NEW, with_spans, ("", "")),
]


@pytest.mark.parametrize(("name", "text", "answered", "change"), FILES, ids=[one[0] for one in FILES])
def test_own_answers_give_the_file_again(
    name: str, text: str, answered: Callable[[Row], Row], change: tuple[str, str], tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8", newline="")
    form = find_format(file, str(file))
    rows = [answered(row) for row in questions(str(file), SETTINGS)]
    assert name.endswith(form.fills)
    assert form.filled(file, SETTINGS, rows, tmp_path / "out") == text
    old, new = change
    if old:
        others = [
            replace(row, values={**row.values, "relation": new}) if row.values["relation"] == old else row
            for row in rows
        ]
        assert form.filled(file, SETTINGS, others, tmp_path / "out") == text.replace(old, new)


def test_docred_keeps_what_a_run_was_not_asked(tmp_path: Path) -> None:
    """Relations across sentences stay; a pair has the run's relation alone."""
    file = tmp_path / "dev.json"
    file.write_text(json.dumps([document()]))
    form = find_format(file, str(file))
    (found,) = json.loads(form.filled(file, SETTINGS, list(questions(str(file), SETTINGS)), tmp_path / "out"))
    before = document()["labels"]
    assert found["labels"] == [one for one in before if one["r"] != "P69"]
    assert {**found, "labels": before} == document()
