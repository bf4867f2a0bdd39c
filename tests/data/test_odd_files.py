"""Ordinary files with something odd in them: what is read, split and written is still what they say."""

from __future__ import annotations

import datetime
import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightune.cli.app import print_json
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.data.read import read, stream
from lightune.data.settings import DataSettings
from lightune.data.write import Writer
from lightune.request import Request
from lightune.steps.gather import Gathered, gather
from lightune.tasks.choose import Choose
from lightune.tasks.multilabel import MultiLabel
from tests.making import sentences, write_csv

QUIET = Show(is_quiet=True)


def gathered(file: Path, lines: list[dict[str, Any]], **asked: Any) -> Gathered:
    """The rows, written as JSON lines and gathered."""
    file.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return gather(Request(data=str(file), **asked), QUIET)


@pytest.mark.parametrize(
    ("first", "others", "is_headerless"),
    [
        ("spam,Free entry in a weekly draw", "ham,see you soon\nspam,call now\n", True),
        ("no,it fell apart", "yes,a joy\nno,never again\n", True),
        ("spam,message", "1,Free entry\n0,see you soon\n", False),
    ],
)
def test_a_label_may_be_called_as_columns_are(
    first: str, others: str, is_headerless: bool, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"{first}\n{others * 4}", encoding="utf-8")
    assert len(read(str(file), DataSettings()).train) == 8 + is_headerless


@pytest.mark.parametrize("text", ["No", "I liked the plot, title, and cast", "Answer", "spam"])
def test_a_lone_text_on_standard_input_is_no_header(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{text}\n".encode())))
    assert [row.values["text"] for row in stream("-", DataSettings())] == [text]


def test_half_a_character_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(
        '{"text": "whole \\ud83d\\ude00", "label": "a"}\n{"text": "half \\ud83d", "label": "b"}\n'
    )
    with pytest.raises(UserError, match="half a character") as caught:
        read(str(file), DataSettings())
    assert caught.value.line == 2


def test_a_text_where_a_file_is_meant() -> None:
    for text in ("far too long for a file " * 20, "one," + "two " * 100):
        with pytest.raises(UserError, match="no such file") as caught:
            read(text, DataSettings())
        assert "For a text itself" in str(caught.value.hint)


def test_words_are_joined_and_nothing_is_no_text(tmp_path: Path) -> None:
    rows = [{"tokens": ["good", f"film{n}"], "label": "ab"[n % 2]} for n in range(30)]
    found = gathered(tmp_path / "a.jsonl", [*rows, {"tokens": float("nan"), "label": "a"}])
    assert {one.texts for one in found.examples} == {(f"good film{n}",) for n in range(30)}


def test_rare_labels_are_trained_on(tmp_path: Path) -> None:
    """Two rows of sixty have a label that no other has: whatever the seed, both are in the training part."""
    rows = [{"text": f"text {n}", "labels": ["a", "b"][: 1 + n % 2]} for n in range(60)]
    rows[7]["labels"], rows[31]["labels"] = ["a", "rare"], ["odd"]
    for seed in range(8):
        found = gathered(tmp_path / "a.jsonl", rows, seed=seed)
        assert found.task.name == "multilabel"
        assert found.task.labels == ("a", "b", "odd", "rare")


def test_equal_questions_with_other_options_are_not_the_same(tmp_path: Path) -> None:
    rows = [{"question": "Which is true?", "options": [f"a{n}", f"b{n}"], "label": 0} for n in range(20)]
    rows += [{"question": f"And {n}?", "options": ["x", "y"], "label": 1} for n in range(20)]
    found = gathered(tmp_path / "a.jsonl", rows)
    assert found.task.name == "choose" and len(found.examples) == 40


def test_what_labels_mean_is_kept(tmp_path: Path) -> None:
    """A few rows to evaluate on may not show that golds count from 0, nor what stands between labels."""
    rows = [{"question": f"{n}?", "options": [f"a{n}", f"b{n}", "c"], "label": n % 3} for n in range(30)]
    trained = gathered(tmp_path / "a.jsonl", rows)
    again = Choose()
    again.restore(json.loads(json.dumps(trained.task.state())))
    few = gathered(tmp_path / "few.jsonl", [row for row in rows if row["label"]])
    row = read(str(tmp_path / "a.jsonl"), DataSettings()).train.rows[1]
    assert again.gold(row, "label", few.profile) == trained.task.gold(row, "label", trained.profile) == 1
    joined = [
        {"text": f"t {n}", "label": ["pay", "price;pay", "price", "price;late"][n % 4]} for n in range(40)
    ]
    many = gathered(tmp_path / "b.jsonl", joined)
    assert many.task.name == "multilabel"
    labels = MultiLabel()
    labels.restore(json.loads(json.dumps(many.task.state())))
    row = read(str(tmp_path / "b.jsonl"), DataSettings()).train.rows[1]
    assert labels.gold(row, "label", replace(many.profile, delimiter=None)) == ["price", "pay"]


def test_folds_with_a_validation_file_and_groups(tmp_path: Path) -> None:
    rows = [{"text": text, "label": label, "who": [n // 2]} for n, (text, label) in enumerate(sentences(40))]
    held = write_csv(tmp_path / "held.csv", list(sentences(10, seed=5)))
    groups = {"data": {"group": "who"}}
    found = gathered(tmp_path / "a.jsonl", rows, validation=str(held), folds=4, groups=groups)
    parts = found.folds(4, 0)
    everything = sorted(row for _, held_out in parts for row in held_out.tolist())
    assert everything == sorted([*found.train.tolist(), *found.validation.tolist()])
    for train, held_out in parts:
        known = {str(found.groups[row]) for row in train if row < len(found.groups or ())}  # type: ignore[index]
        assert not known & {str(found.groups[row]) for row in held_out if row < len(found.groups or ())}  # type: ignore[index]


def test_keys_that_the_first_row_lacks_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    with Writer(str(file), ["text", "predicted"]) as writer:
        writer.write({"text": "a", "predicted": "x"})
        writer.write({"source": "web", "text": "b", "predicted": "y"})
    found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert found == [{"text": "a", "predicted": "x"}, {"text": "b", "predicted": "y", "source": "web"}]
    assert list(found[1]) == ["text", "predicted", "source"]


def test_dates_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"rows": [{"day": datetime.date(2026, 12, 1)}]})
    assert json.loads(capsys.readouterr().out) == {"rows": [{"day": "2026-12-01"}]}
