"""Corpora of events: read as sentences, and written again byte by byte. All texts are synthetic."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.data.formats import dygie, oneie
from lightune.data.read import read
from lightune.data.settings import DataSettings
from tests.cli.running import lightune

FIRST = ["Ada", "Löw", "moved", "to", "Rome", "."]
SECOND = ["Bob", "broke", "in", "there", "."]


def document() -> dict[str, Any]:
    return {
        "doc_key": "d1",
        "dataset": "made",
        "sentences": [FIRST, SECOND],
        "ner": [[[0, 1, "PER"], [4, 4, "GPE"]], [[6, 6, "PER"]]],
        "relations": [[[0, 1, 4, 4, "PHYS"]], []],
        "events": [
            [[[2, "Movement.Transport"], [0, 1, "Artifact"], [4, 4, "Destination"]]],
            [[[7, 8, "Conflict.Attack"], [6, 6, "Attacker"]]],
        ],
    }


def sentence() -> dict[str, Any]:
    entities = [
        {"id": "s-E0", "start": 0, "end": 2, "text": "Ada Löw", "entity_type": "PER", "mention_type": "NAM"},
        {"id": "s-E1", "start": 4, "end": 5, "text": "Rome", "entity_type": "GPE", "mention_type": "NAM"},
    ]
    arguments = [
        {"entity_id": "s-E0", "text": "Ada Löw", "role": "Artifact"},
        {"entity_id": "s-E1", "text": "Rome", "role": "Destination"},
    ]
    trigger = {"text": "moved", "start": 2, "end": 3}
    event = {"id": "s-EV0", "event_type": "Movement:Transport", "trigger": trigger, "arguments": arguments}
    return {
        "doc_id": "d",
        "sent_id": "s",
        "tokens": FIRST,
        "entity_mentions": entities,
        "relation_mentions": [],
        "event_mentions": [event],
    }


def read_lines(folder: Path, name: str, values: list[Any]) -> Splits:
    path = folder / name
    path.write_text("".join(json.dumps(one) + "\n" for one in values), encoding="utf-8", newline="")
    return read(str(path), DataSettings())


def with_events(row: Row, events: list[dict[str, Any]]) -> Row:
    return replace(row, values={**row.values, "events": events})


@pytest.mark.parametrize("name", ["train.jsonl", "train.json"])
def test_dygie(name: str, tmp_path: Path) -> None:
    splits = read_lines(tmp_path, name, [document(), document()])
    rows = splits.train.rows
    assert (splits.task, splits.text, splits.label) == ("event", ("words",), "events")
    assert splits.train.format == "dygie"
    documents = dygie.read_documents(tmp_path / name)
    assert dygie.write(documents, rows) == (tmp_path / name).read_text(encoding="utf-8")
    assert [(row.values["document"], row.values["sentence"], row.line) for row in rows] == [
        (0, 0, 1),
        (0, 1, 1),
        (1, 0, 2),
        (1, 1, 2),
    ]
    (event,) = rows[1].values["events"]
    assert event["trigger"] == {"start": 4, "end": 12, "text": "broke in"}
    assert event["arguments"] == [{"start": 0, "end": 3, "text": "Bob", "role": "Attacker"}]
    assert rows[0].values["entities"][0] == {"start": 0, "end": 7, "type": "PER"}


def test_dygie_with_other_answers(tmp_path: Path) -> None:
    rows = read_lines(tmp_path, "a.jsonl", [document()]).train.rows
    moved = {"type": "Attack", "trigger": {"start": 4, "end": 9}, "arguments": []}
    argument = {"start": 13, "end": 18, "role": "Place"}
    two = {"type": "Stay", "trigger": {"start": 4, "end": 12}, "arguments": [argument]}
    found = json.loads(dygie.write([document()], [rows[0], with_events(rows[1], [moved, two])]))
    assert found["events"][0] == document()["events"][0]
    assert found["events"][1] == [[[7, "Attack"]], [[7, 8, "Stay"], [9, 9, "Place"]]]
    assert {key: found[key] for key in found if key != "events"} == {
        key: value for key, value in document().items() if key != "events"
    }


def test_oneie(tmp_path: Path) -> None:
    splits = read_lines(tmp_path, "train.oneie.json", [sentence()])
    (row,) = splits.train.rows
    assert (splits.task, splits.text, splits.train.format) == ("event", ("tokens",), "oneie")
    assert oneie.write([row]) == (tmp_path / "train.oneie.json").read_text(encoding="utf-8")
    (event,) = row.values["events"]
    assert (event["type"], event["trigger"]["text"]) == ("Movement:Transport", "moved")
    assert [one["text"] for one in event["arguments"]] == ["Ada Löw", "Rome"]


def test_oneie_with_other_answers(tmp_path: Path) -> None:
    (row,) = read_lines(tmp_path, "a.jsonl", [sentence()]).train.rows
    arguments = [{"start": 17, "end": 21, "role": "Place"}, {"start": 0, "end": 3, "role": "Agent"}]
    event = {"type": "Stay", "trigger": {"start": 8, "end": 16}, "arguments": arguments}
    found = json.loads(oneie.write([with_events(row, [event])]))
    (new,) = found["event_mentions"]
    assert new["trigger"] == {"start": 2, "end": 4, "text": "moved to"}
    ids = [one["entity_id"] for one in new["arguments"]]
    assert ids[0] == "s-E1"
    assert found["entity_mentions"][2]["id"] == ids[1]
    assert found["entity_mentions"][2]["text"] == "Ada"


@pytest.mark.parametrize("outside", [40, 6])
def test_dygie_mistake_has_a_line(outside: int, tmp_path: Path) -> None:
    broken = document()
    broken["events"][0][0][1][1] = outside
    with pytest.raises(UserError, match="not in their sentence") as caught:
        read_lines(tmp_path, "a.jsonl", [document(), broken])
    assert caught.value.line == 2


def test_oneie_mistake_has_a_line(tmp_path: Path) -> None:
    broken = sentence()
    broken["event_mentions"][0]["arguments"][0]["entity_id"] = "nobody"
    with pytest.raises(UserError, match="nobody") as caught:
        read_lines(tmp_path, "a.jsonl", [sentence(), broken])
    assert caught.value.line == 2


def test_check_finds_what_is_wrong_by_line(tmp_path: Path) -> None:
    def event(start: int, end: int, kind: str = "Go") -> dict[str, Any]:
        return {"type": kind, "trigger": {"start": start, "end": end}, "arguments": []}

    rows: list[Any] = [{"text": f"Ada {n} went", "events": [event(6, 10)]} for n in range(9)]
    rows.append({"text": "Ada went", "events": [event(4, 12)]})
    rows.append({"text": "Ada went", "events": [event(4, 8), event(5, 8, "Run")]})
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    found = lightune("check", path, "--json").json
    assert found["task"] == "event"
    assert found["labels"] == {"Go": 11, "Run": 1}
    problems = {(one["kind"], one["line"]) for one in found["problems"]}
    assert {("span_outside", 10), ("overlapping_spans", 11)} <= problems
