"""Semantic roles in columns: read as tagged sentences with a marked predicate, written byte by byte.

The sentences are made up.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.data.formats import conll2005, conll2012
from lightune.data.read import read
from lightune.data.role_columns import read_brackets, to_brackets
from lightune.data.settings import DataSettings
from tests.making import TinyModel, train_tiny

OLD = """The      DT  (S(NP*   -     (A0*     *
old      JJ  *        -     *        *
cook     NN  *)       -     *)       (A1*)
gave     VBD (VP*     give  (V*)     *
up       RP  *        -     *        *
and      CC  *        -     *        *
left     VBD *        leave *        (V*)
Rome     NN  *        -     *        (A1(X*)
today    NN  *))      -     (AM-TMP*) *)

No       UH  *        -
way      NN  *        -

It       PRP *        -     (A1*
rains    VBZ *        rain  (V*)*
"""
OLD = OLD.replace("(A1*\n", "(A1*)\n").replace("(V*)*", "(V*)")
NEW = """#begin document (nw/made/00/up_0000); part 000
nw/made/00/up_0000   0   0   Ada     NNP  (TOP(S(NP*)   -      -    -   -   (PERSON)   (ARG0*)        *    (1)
nw/made/00/up_0000   0   1   said    VBD       (VP*    say     01   1   -        *         (V*)        *     -
nw/made/00/up_0000   0   2   it           PRP         *     -      -    -   -        *   (ARG1*   (ARG1*)   -
nw/made/00/up_0000   0   3   rained  VBD         *    rain     01   1   -        *        *)       (V*)    -
nw/made/00/up_0000   0   4   /.      .         *))     -      -    -   -        *         *           *     -

nw/made/00/up_0000   0   0   Oh      UH    (TOP*)      -      -    -   -        *     -

#end document
"""


def read_text(folder: Path, name: str, text: str) -> Splits:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return read(str(path), DataSettings())


def with_tags(rows: list[Row], number: int, tags: list[str]) -> list[Row]:
    return [
        replace(row, values={**row.values, "tags": tags}) if place == number else row
        for place, row in enumerate(rows)
    ]


@pytest.mark.parametrize("name", ["train.txt", "train.conll", "sec02.props"])
def test_conll2005(name: str, tmp_path: Path) -> None:
    splits = read_text(tmp_path, name, OLD)
    rows = splits.train.rows
    assert (splits.task, splits.text, splits.label) == ("tag", ("words",), "tags")
    assert splits.train.format == "conll2005"
    assert [(row.values["lemma"], row.line) for row in rows] == [("give", 1), ("leave", 1), ("rain", 14)]
    first = rows[0].values
    assert first["words"] == "The old cook [ gave ] up and left Rome today".split()
    assert first["tags"] == ["B-A0", "I-A0", "I-A0", *["O"] * 7, "B-AM-TMP"]
    assert rows[1].values["tags"] == ["O", "O", "B-A1", "O", "O", "O", "O", "O", "O", "B-A1", "I-A1"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_conll2005_is_written_as_it_was(line_end: str, tmp_path: Path) -> None:
    text = OLD.replace("\n", line_end)
    rows = read_text(tmp_path, "train.txt", text).train.rows
    assert conll2005.write(text, rows) == text
    other = ["O", "O", "B-A0", *["O"] * 7, "B-AM-TMP"]
    changed = text.replace("(A0*  ", "*  ").replace("-     *)  ", "-     (A0*)  ")
    assert conll2005.write(text, with_tags(rows, 0, other)) == changed


def test_conll2012(tmp_path: Path) -> None:
    splits = read_text(tmp_path, "up_0000.v4_gold_conll", NEW)
    rows = splits.train.rows
    assert (splits.task, splits.train.format) == ("tag", "conll2012")
    assert [row.values["lemma"] for row in rows] == ["say", "rain"]
    assert rows[0].values["words"] == "Ada [ said ] it rained /.".split()
    assert rows[0].values["tags"] == ["B-ARG0", "O", "O", "O", "B-ARG1", "I-ARG1", "O"]
    assert rows[1].values["words"] == "Ada said it [ rained ] /.".split()
    assert rows[1].values["tags"] == ["O", "O", "B-ARG1", "O", "O", "O", "O"]
    assert conll2012.write(NEW, rows) == NEW
    other = ["B-ARG0", "O", "O", "O", "B-ARG1", "O", "O"]
    assert conll2012.write(NEW, with_tags(rows, 0, other)) == NEW.replace(
        "(ARG1*   (", "(ARG1*)   ("
    ).replace("*        *)  ", "*        *  ")


def test_what_goes_on_through_the_predicate_stays_one_span(tmp_path: Path) -> None:
    text = "a - (A0*\nb be (V*)\nc - *)\n"
    rows = read_text(tmp_path, "a.props", text).train.rows
    assert rows[0].values["tags"] == ["B-A0", "I-A0", "I-A0", "I-A0", "I-A0"]
    assert conll2005.write(text, rows) == text
    shorter = ["B-A0", "O", "O", "O", "O"]
    written = conll2005.write(text, with_tags(rows, 0, shorter))
    assert written == "a - (A0*)\nb be (V*)\nc - *\n"


def test_brackets_both_ways() -> None:
    column = ["(A1(A0*)", "*", "(V*)", "*)", "(AM*)", "*"]
    spans = [(0, 4, "A1"), (0, 1, "A0"), (2, 3, "V"), (4, 5, "AM")]
    assert read_brackets(column) == spans
    assert to_brackets(spans, 6) == column


@pytest.mark.parametrize(
    ("wrong", "line", "words"),
    [
        (OLD.replace("(A1*)\nrains", "(A1*\nrains"), 14, "do not match"),
        (OLD.replace("rain  (V*)", "-     (V*)"), 14, "0 predicates and 1 columns"),
        (OLD.replace("way      NN  *", "way      NN"), 12, "this line has 3 columns"),
    ],
)
def test_mistakes_have_a_line(wrong: str, line: int, words: str, tmp_path: Path) -> None:
    assert wrong != OLD
    with pytest.raises(UserError, match=words) as caught:
        read_text(tmp_path, "train.txt", wrong)
    assert caught.value.line == line


def test_conll2012_mistake_has_a_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this line has 13 columns") as caught:
        read_text(tmp_path, "a.conll", NEW.replace("VBD       (VP*", "(VP*"))
    assert caught.value.line == 3


def test_roles_are_trained_as_tags(tiny: TinyModel, tmp_path: Path) -> None:
    path = tmp_path / "roles.props"
    text = "\n".join(OLD.replace("cook", f"cook{n}").replace("rains", f"rains{n}") for n in range(12))
    path.write_text(text, encoding="utf-8")
    model = tiny("bert", num_layers=2)
    found = train_tiny(tmp_path, model, data=path, method="head", groups={"data": {"group": "sentence"}})
    assert found["task"] == "tag"
    assert {"O", "B-A0", "I-A0", "B-A1", "B-AM-TMP"} <= set(found["labels"])
    assert "B-V" not in found["labels"]
