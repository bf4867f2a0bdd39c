"""The list of rows not to train on: written, read, and held against the data."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lightune.core.errors import UserError
from lightune.core.rows import Example
from lightune.data.exclude import COLUMNS, Finding, positions_to_exclude, read_exclusions


def examples() -> list[Example]:
    return [Example((f"text {row}",), "a", row=row, file="folder/data.csv", line=row + 2) for row in range(4)]


def write(path: Path, found: list[Finding]) -> str:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(one.as_row() for one in found)
    return str(path)


def test_only_what_is_marked_is_excluded(tmp_path: Path) -> None:
    known = examples()
    found = [
        Finding("label_error", 0.9, known[2], "why", exclude=True),
        Finding("outlier", 0.5, known[1], "why"),
    ]
    assert positions_to_exclude(write(tmp_path / "list.csv", found), known) == {2}


def test_list_of_ones_own_needs_file_and_row_only(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("file,row\ndata.csv,0\nelsewhere/data.csv,3\nother.csv,1\n")
    assert positions_to_exclude(str(path), examples()) == {0, 3}


def test_list_of_other_data_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "list.csv", [Finding("label_error", 0.9, examples()[2], "", exclude=True)])
    changed = [*examples()[:2], Example(("another text",), "a", row=2, file="data.csv")]
    with pytest.raises(UserError, match=r"list\.csv:2: row 2 of data\.csv holds another text"):
        positions_to_exclude(path, changed)


@pytest.mark.parametrize(
    ("body", "message"),
    [("a,b\n1,2\n", "no column 'file'"), ("file,row\ndata.csv,two\n", "own.csv:2: .*'two' is not a number")],
)
def test_bad_list(tmp_path: Path, body: str, message: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(body)
    with pytest.raises(UserError, match=message):
        read_exclusions(str(path))


def test_missing_list(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_exclusions(str(tmp_path / "nowhere.csv"))
