"""Corpora of relations: read as rows of pairs, and written again byte by byte. All texts are synthetic."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.data.formats import docred, semeval, tacred
from lightune.data.read import read
from lightune.data.settings import DataSettings

SEMEVAL = (
    '1\t"The <e1>storm</e1> caused a \\"black\\" <e2>flood</e2>, they said."\n'
    "Cause-Effect(e1,e2)\nComment: none\n\n"
    '2\t"A <e1>lid</e1><e2>box</e2> stood there."\nOther\nComment:\n\n'
    '3\t"The <e1>flood</e1> came from the <e2>storm</e2>."\nCause-Effect(e2,e1)\nComment: é\n\n'
)


def tacred_examples() -> list[dict[str, Any]]:
    tokens = ["Ada", "Löw", "works", "for", "Acme", "Corp", "."]
    common = {"stanford_ner": ["O"] * 7, "stanford_head": [2, 3, 0, 6, 6, 3, 3]}
    places = {"subj_start": 4, "subj_end": 5, "obj_start": 0, "obj_end": 1}
    kinds = {"subj_type": "ORGANIZATION", "obj_type": "PERSON"}
    first = {
        "id": "a1",
        "docid": "d",
        "relation": "org:members",
        "token": tokens,
        **places,
        **kinds,
        **common,
    }
    return [first, {**first, "id": "a2", "relation": "no_relation", "subj_end": 4}]


def document() -> dict[str, Any]:
    def mention(name: str, sentence: int, first: int, behind: int, kind: str) -> dict[str, Any]:
        return {"name": name, "pos": [first, behind], "sent_id": sentence, "type": kind}

    return {
        "vertexSet": [
            [mention("Ada Low", 0, 0, 2, "PER"), mention("Ada", 1, 0, 1, "PER")],
            [mention("Rome", 0, 4, 5, "LOC")],
            [mention("Acme", 1, 3, 4, "ORG")],
        ],
        "labels": [
            {"r": "P19", "h": 0, "t": 1, "evidence": [0]},
            {"r": "P17", "h": 2, "t": 1, "evidence": [0, 1]},
            {"r": "P108", "h": 0, "t": 2, "evidence": [1]},
            {"r": "P69", "h": 0, "t": 1, "evidence": []},
        ],
        "title": "Ada",
        "sents": [["Ada", "Low", "lives", "in", "Rome", "."], ["Ada", "works", "for", "Acme", "."]],
    }


def read_text(folder: Path, name: str, text: str) -> Splits:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return read(str(path), DataSettings())


def relabelled(rows: list[Row], number: int, relation: str) -> list[Row]:
    """The rows with another relation in one of them."""
    return [
        replace(row, values={**row.values, "relation": relation}) if place == number else row
        for place, row in enumerate(rows)
    ]


def piece(row: Row, name: str) -> str:
    place = row.values[name]
    found: str = row.values["text"][place["start"] : place["end"]]
    return found


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_semeval(line_end: str, tmp_path: Path) -> None:
    text = SEMEVAL.replace("\n", line_end)
    splits = read_text(tmp_path, "train.txt", text)
    rows = splits.train.rows
    assert (splits.task, splits.label, splits.train.format) == ("relation", "relation", "semeval")
    assert semeval.write(rows, line_end=line_end) == text
    assert [row.line for row in rows] == [1, 5, 9]
    assert rows[0].values["text"] == 'The storm caused a \\"black\\" flood, they said.'
    assert [(piece(row, "head"), piece(row, "tail")) for row in rows] == [
        ("storm", "flood"),
        ("lid", "box"),
        ("flood", "storm"),
    ]
    changed = semeval.write(relabelled(rows, 1, "Content-Container(e1,e2)"), line_end=line_end)
    assert changed == text.replace("Other", "Content-Container(e1,e2)")


def test_semeval_without_labels(tmp_path: Path) -> None:
    text = "".join(line + "\n" for line in SEMEVAL.splitlines() if line[:1].isdigit())
    rows = read_text(tmp_path, "test.txt", text).train.rows
    assert [row.values["relation"] for row in rows] == [None] * 3
    assert semeval.write(rows, line_end="\n") == text


@pytest.mark.parametrize(
    ("wrong", "line", "words"),
    [
        (SEMEVAL.replace("<e2>box</e2>", "box"), 5, "a tag is missing"),
        (SEMEVAL.replace("Comment:\n", "Remark\n"), 7, "neither relation nor comment"),
        (SEMEVAL.replace('2\t"A', "A"), 5, "no numbered sentence"),
    ],
)
def test_semeval_mistakes_have_a_line(wrong: str, line: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words) as caught:
        read_text(tmp_path, "train.txt", wrong)
    assert caught.value.line == line


def test_tacred(tmp_path: Path) -> None:
    text = json.dumps(tacred_examples())
    splits = read_text(tmp_path, "train.json", text)
    rows = splits.train.rows
    assert (splits.task, splits.train.format) == ("relation", "tacred")
    assert tacred.write(rows) == text
    assert (piece(rows[0], "head"), piece(rows[0], "tail")) == ("Acme Corp", "Ada Löw")
    assert piece(rows[1], "head") == "Acme"
    assert rows[0].values["tail"]["type"] == "PERSON"
    assert tacred.write(relabelled(rows, 1, "org:founded")) == text.replace("no_relation", "org:founded")


@pytest.mark.parametrize(
    ("change", "words"), [({"subj_end": 9}, "outside its tokens"), ({"token": None}, "outside")]
)
def test_tacred_mistakes(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    first, second = tacred_examples()
    with pytest.raises(UserError, match=f"example 2 .*{words}"):
        read_text(tmp_path, "train.json", json.dumps([first, second | change]))


def test_docred(tmp_path: Path) -> None:
    text = json.dumps([document(), document()])
    splits = read_text(tmp_path, "train.json", text)
    rows = splits.train.rows
    assert (splits.task, splits.train.format) == ("relation", "docred")
    assert docred.write(docred.read_documents(tmp_path / "train.json"), rows) == text
    pairs = {
        (piece(row, "head"), piece(row, "tail")): (row.values["relation"], row.values["more_relations"])
        for row in rows[:4]
    }
    assert pairs == {
        ("Ada Low", "Rome"): ("P19", ["P69"]),
        ("Rome", "Ada Low"): ("NA", []),
        ("Ada", "Acme"): ("P108", []),
        ("Acme", "Ada"): ("NA", []),
    }
    assert len(rows) == 8
    (left,) = [one for one in splits.train.decisions if one.what == "relations left out"]
    assert left.value == "2 of 8"  # the one between Acme and Rome, in both documents


def test_docred_with_other_answers(tmp_path: Path) -> None:
    documents = [document()]
    rows = read_text(tmp_path, "train.json", json.dumps(documents)).train.rows
    place = next(n for n, row in enumerate(rows) if row.values["relation"] == "P108")
    (found,) = json.loads(docred.write(documents, relabelled(rows, place, "P127")))
    labels = document()["labels"]
    new = {"r": "P127", "h": 0, "t": 2, "evidence": [1]}
    assert found["labels"] == [labels[0], labels[1], labels[3], new]
    (blind,) = json.loads(docred.write([document() | {"labels": []}], relabelled(rows, place, "NA")))
    assert [one["r"] for one in blind["labels"]] == ["P19", "P69"]


def test_docred_mistake_names_the_document(tmp_path: Path) -> None:
    broken = document()
    broken["vertexSet"][1][0]["pos"] = [4, 40]
    with pytest.raises(UserError, match="document 2 is broken"):
        read_text(tmp_path, "dev.json", json.dumps([document(), broken]))
