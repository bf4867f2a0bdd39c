"""The chain of runs: entities, relations of pairs, and a page of them. All texts are synthetic."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightune import Run, load
from lightune.core.rows import Row
from lightune.core.shown import Mark
from lightune.runs.extraction import extraction_page
from lightune.runs.marked import marked
from lightune.steps import extract as steps
from tests.cli.running import lightune
from tests.making import TinyModel, train_tiny
from tests.tasks.test_relation import facts, write_lines


def names_of(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `facts` as one for `tag`: its three names, which are its longest words."""
    text = row["text"]
    words = [one.span() for one in re.finditer(r"\w{6}", text)]
    assert len(words) == 3
    return {"text": text, "spans": [{"start": a, "end": b, "label": "NAME"} for a, b in words]}


@pytest.fixture(scope="module")
def runs(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(a run that finds names, a run that relates them), both learnt from 500 sentences."""
    folder, model = tmp_path_factory.mktemp("chain"), tiny("bert", num_layers=2)
    learnt = facts(500, 1)
    groups = {"train": {"epochs": 20, "learning_rate": 3e-3}}
    made = []
    for name, rows in (("names", [names_of(one) for one in learnt]), ("relations", learnt)):
        data = write_lines(folder / f"{name}.jsonl", rows)
        output = str(folder / name)
        made.append(
            train_tiny(folder, model, data=data, method="full", groups=groups, output=output)["output"]
        )
    return Path(made[0]), Path(made[1])


def test_finds_the_facts_of_new_names(runs: tuple[Path, Path], tmp_path: Path) -> None:
    """Of 60 sentences with names never seen: at least nine facts in ten, at most one in ten made up."""
    wanted = [one for one in facts(100, 3) if one["relation"] != "no_relation"]
    data = tmp_path / "new.txt"
    data.write_text("".join(one["text"] + "\n" for one in wanted), encoding="utf-8")
    output, page = tmp_path / "facts.jsonl", tmp_path / "facts.html"
    asked = ("--entities", runs[0], "--relations", runs[1], "--output", output, "--page", page, "--json")
    ended = lightune("extract", data, *asked, "--quiet")
    assert ended.code == 0, ended.err
    assert (ended.json["count"], ended.json["output"]) == (len(wanted), str(output))
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert list(rows[0]) == ["text", "entities", "relations"]
    said = {
        (n, one["head_text"], one["relation"], one["tail_text"])
        for n, row in enumerate(rows)
        for one in row["relations"]
    }
    gold = {(n, text_of(one, "head"), one["relation"], text_of(one, "tail")) for n, one in enumerate(wanted)}
    assert len(said & gold) > 0.9 * len(gold)
    assert len(said - gold) < 0.1 * len(said) + 1
    assert "works_for" in page.read_text(encoding="utf-8")


def text_of(row: dict[str, Any], name: str) -> str:
    found: str = row["text"][row[name]["start"] : row[name]["end"]]
    return found


def test_places_are_those_of_the_whole_text(runs: tuple[Path, Path]) -> None:
    one, other = facts(2, 5)
    text = f"{one['text']}\n{other['text']}"
    chain = steps.Chain(load(runs[0]), load(runs[1]), None)
    (row,) = steps.facts(chain, [Row(0, {"text": text, "id": 4}, "a.jsonl", 1)], "text")
    assert row["id"] == 4
    for entity in row["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]
    border = text.index("\n")
    for relation in row["relations"]:
        pair = [row["entities"][relation[name]] for name in ("head", "tail")]
        assert [entity["text"] for entity in pair] == [relation["head_text"], relation["tail_text"]]
        assert len({entity["start"] < border for entity in pair}) == 1, "both are of one sentence"


def test_a_label_with_a_direction_turns_the_pair(
    runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels such as SemEval's: a pair is asked about once, and the label says which is the head."""
    chain = steps.Chain(load(runs[0]), load(runs[1]), None)
    assert chain.relations is not None
    task = chain.relations.task
    task.labels, task.none = ("Cause(e1,e2)", "Cause(e2,e1)", "Other"), "Other"  # type: ignore[attr-defined]
    text = facts(1, 5)[0]["text"]
    number = len(
        next(
            iter(steps.facts(steps.Chain(chain.entities, None, None), [Row(0, {"text": text}, "")], "text"))
        )["entities"]
    )

    def always(self: Run, examples: Any, precision: str = "exact") -> Any:
        if self.task is not task:
            return outputs(self, examples, precision)
        return np.tile([0.0, 9.0, 0.0], (len(examples), 1))

    outputs = Run._outputs
    monkeypatch.setattr(Run, "_outputs", always)
    (row,) = steps.facts(chain, [Row(0, {"text": text}, "")], "text")
    assert len(row["relations"]) == number * (number - 1) // 2 > 0
    assert all(one["relation"] == "Cause" and one["head"] > one["tail"] for one in row["relations"])


def test_standard_output_and_columns(runs: tuple[Path, Path], tmp_path: Path) -> None:
    data = tmp_path / "new.csv"
    data.write_text("id,news\n7,mo said that ba met lu\n", encoding="utf-8")
    plain = lightune("extract", data, "--entities", runs[0], "--text", "news", "--quiet")
    assert list(json.loads(plain.out)) == ["id", "news", "text", "entities"]
    ended = lightune("extract", data, "--entities", runs[0], "--text", "news", "--json", "--quiet")
    assert ended.json["rows"][0]["id"] == "7"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--entities", "relations"), "needs a run of the task tag, this is relation"),
        (("--entities", "names", "--relations", "names"), "needs a run of the task relation, this is tag"),
        (("--entities", "names", "--page", "nowhere/a.html"), "folder of the page does not exist"),
        (("--entities", "names", "--output", "a.doc"), "cannot write a file with the ending"),
        (("--entities", "names", "--text", "body"), "there is no column 'body'"),
        (("--entities", "nothing"), "nothing"),
    ],
)
def test_mistakes(flags: tuple[str, ...], words: str, runs: tuple[Path, Path], tmp_path: Path) -> None:
    known = {"names": runs[0], "relations": runs[1]}
    (tmp_path / "new.txt").write_text("mo met lu\n", encoding="utf-8")
    ended = lightune("extract", "new.txt", *(known.get(flag, flag) for flag in flags), folder=tmp_path)
    assert ended.code == 2
    assert words in " ".join(ended.err.split())
    assert ended.out == ""


class Reader(HTMLParser):
    """Tags and plain text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_escapes_everything() -> None:
    evil = "<script>alert('x')</script>"
    entity = {"start": 0, "end": len(evil), "type": f"{evil}\"'", "text": evil, "probability": 0.5}
    relation = {"head": 0, "tail": 0, "head_text": evil, "relation": evil, "tail_text": evil}
    place = {"start": 0, "end": len(evil), "text": evil}
    event = {"type": evil, "trigger": place, "arguments": [{"role": evil, **place}]}
    row = {"text": f"{evil} & co", "entities": [entity], "relations": [relation], "events": [event]}
    found = extraction_page([row], title=evil, number=2)
    reader = Reader()
    reader.feed(found)
    assert "script" not in reader.tags
    assert f"{evil} & co" not in found
    assert reader.text.count(evil) >= 10
    assert "The first 1 of 2 texts." in reader.text
    assert "src=" not in found
    assert "href=" not in found


def test_relations_and_events_are_shown_over_the_text() -> None:
    text = "Filler of no matter. " * 20 + "Ada left Rome."
    start = text.index("Ada")
    entities = [
        {"start": start, "end": start + 3, "type": "PER", "text": "Ada"},
        {"start": start + 9, "end": start + 13, "type": "LOC", "text": "Rome"},
    ]
    relation = {
        "head": 0,
        "tail": 1,
        "head_text": "Ada",
        "relation": "from",
        "tail_text": "Rome",
        "probability": 0.875,
    }
    event = {
        "type": "Move",
        "trigger": {"start": start + 4, "end": start + 8, "text": "left", "probability": 0.5},
        "arguments": [{"role": "Who", **entities[0]}],
    }
    row = {"text": text, "entities": entities, "relations": [relation], "events": [event]}
    found = extraction_page([row], title="facts", number=1)
    marks = re.findall(r"<mark[^>]*>(\w+)<small[^>]*> ([^<]*)<", found)
    assert marks == [
        *(("Ada", "PER"), ("Rome", "LOC")),
        *(("Ada", "head"), ("Rome", "tail")),
        *(("Ada", "Who"), ("left", "Move")),
    ]
    assert "88%" in found and found.count("…") == 2, "a long text is shown round what was found"


def test_every_character_stays_in_the_coloured_text() -> None:
    text = "ab cd ef"
    reader = Reader()
    reader.feed(marked(text, [Mark(3, 5, "X"), Mark(0, 4, "Y")], {"X": 0, "Y": 137}))
    assert reader.text == "ab c Yd ef"
    assert reader.tags == ["mark", "small"]
