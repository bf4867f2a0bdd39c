"""Tagged files: CoNLL-2003, CoNLL-U, and spans as Doccano, Prodigy and Label Studio write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.data.read import read
from lightune.data.settings import DataSettings
from lightune.request import Request
from lightune.steps.gather import gather
from lightune.steps.inspect import inspect

CONLL = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
German JJ B-NP B-MISC

Peter NNP B-NP B-PER
"""
CONLLU = (
    "# text = vámonos al mar\n1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "1\tvamos\tir\tVERB\tv\t_\t0\troot\t_\t_\n2\tnos\tnosotros\tPRON\tp\t_\t1\tobj\t_\t_\n\n"
)
QUIET = Show(is_quiet=True)


def rows_of(path: Path) -> list[dict[str, object]]:
    return [row.values for row in read(str(path), DataSettings()).train.rows]


@pytest.mark.parametrize("name", ["eng.conll", "eng.train", "train.txt"])
def test_conll_2003(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(CONLL)
    splits = read(str(tmp_path / name), DataSettings())
    assert (splits.text, splits.label, splits.task) == (("words",), "tags", "tag")
    first, second = splits.train.rows
    assert first.values["words"] == ["EU", "rejects", "German"]
    assert first.values["tags"] == ["B-ORG", "O", "B-MISC"]
    assert first.values["column2"] == ["NNP", "VBZ", "JJ"]
    assert (first.line, second.line) == (3, 7)


def test_conll_u_without_word_ranges(tmp_path: Path) -> None:
    (tmp_path / "es.conllu").write_text(CONLLU)
    splits = read(str(tmp_path / "es.conllu"), DataSettings())
    assert splits.label == "upos"
    assert splits.train.rows[0].values["words"] == ["vamos", "nos"]
    assert splits.train.rows[0].values["upos"] == ["VERB", "PRON"]


def test_plain_texts_stay_plain(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("good film\nbad film\n")
    assert read(str(tmp_path / "plain.txt"), DataSettings()).task is None


def test_a_line_with_another_number_of_columns(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("EU B-ORG\nrejects\n")
    with pytest.raises(UserError, match="1 columns") as caught:
        read(str(tmp_path / "a.conll"), DataSettings())
    assert caught.value.line == 2


TEXT = "Maria lives in Peru"
EXPORTS: dict[str, list[dict[str, Any]]] = {
    "doccano.jsonl": [{"id": 1, "text": TEXT, "label": [[0, 5, "PER"], [15, 19, "LOC"]]}],
    "prodigy.jsonl": [
        {
            "text": TEXT,
            "answer": "accept",
            "spans": [{"start": 0, "end": 5, "label": "PER"}, {"start": 15, "end": 19, "label": "LOC"}],
        },
        {"text": "rejected", "answer": "reject", "spans": [{"start": 0, "end": 8, "label": "PER"}]},
    ],
    "studio.json": [
        {
            "id": 7,
            "data": {"text": TEXT},
            "annotations": [
                {
                    "result": [
                        {"type": "labels", "value": {"start": 0, "end": 5, "labels": ["PER"]}},
                        {"type": "labels", "value": {"start": 15, "end": 19, "labels": ["LOC"]}},
                        {"type": "choices", "value": {"choices": ["yes"]}},
                    ]
                }
            ],
        }
    ],
    "tokens.jsonl": [{"tokens": TEXT.split(), "ner_tags": ["B-PER", "O", "O", "B-LOC"]}],
}


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_are_recognised_and_say_the_same(name: str, tmp_path: Path) -> None:
    items = EXPORTS[name] * 10
    content = json.dumps(items) if name.endswith(".json") else "\n".join(json.dumps(one) for one in items)
    (tmp_path / name).write_text(content)
    groups = {"data": {"validation_fraction": 0.0, "test_fraction": 0.0, "duplicates": "keep"}}
    gathered = gather(Request(data=str(tmp_path / name), groups=groups), QUIET)
    assert gathered.task.name == "tag"
    assert gathered.task.labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert len(gathered.examples) == 10
    spans = [
        (one["start"], one["end"], one["type"]) for one in gathered.task.gold_answer(gathered.examples[0])
    ]
    assert spans == [(0, 5, "PER"), (15, 19, "LOC")]


def problems_of(tmp_path: Path, items: list[dict[str, object]]) -> list[tuple[str, int, bool]]:
    path = tmp_path / "some.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in items))
    found = inspect(Request(data=str(path), task="tag"), QUIET)["problems"]
    return [(one["kind"], one["line"], one["is_fatal"]) for one in found]


def test_check_finds_what_is_wrong_with_spans(tmp_path: Path) -> None:
    good = {"text": TEXT, "spans": [[0, 5, "PER"]]}
    bad = [
        {"text": TEXT, "spans": [[0, 50, "PER"]]},
        {"text": TEXT, "spans": [[0, 5, "PER"], [3, 8, "LOC"]]},
        {"text": TEXT, "spans": [[5, 11, "PER"]]},
    ]
    found = problems_of(tmp_path, [good] * 8 + bad)
    assert ("span_outside", 9, True) in found
    assert ("overlapping_spans", 10, False) in found
    assert ("span_blanks", 11, False) in found


def test_check_finds_what_is_wrong_with_tags(tmp_path: Path) -> None:
    good = {"tokens": TEXT.split(), "tags": ["B-PER", "O", "O", "B-LOC"]}
    bad = [
        {"tokens": TEXT.split(), "tags": ["B-PER", "O"]},
        {"tokens": TEXT.split(), "tags": ["O", "I-PER", "O", "O"]},
    ]
    found = problems_of(tmp_path, [good] * 8 + bad)
    assert ("tag_count", 9, True) in found
    assert ("broken_scheme", 10, False) in found
