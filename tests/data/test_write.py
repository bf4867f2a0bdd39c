"""Predictions come out as they went in, and only when complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightune.core.errors import UserError
from lightune.data.read import read
from lightune.data.settings import DataSettings
from lightune.data.write import Writer

ROWS: list[dict[str, Any]] = [
    {"text": 'a "quoted", text\nof two lines', "predicted": "pos", "probability": 0.25},
    {"text": "很好\u2028", "predicted": None, "probability": 1.0},
]
COLUMNS = ["text", "predicted", "probability"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    with Writer(str(path), COLUMNS) as writer:
        for row in ROWS:
            writer.write({**row, "extra": 1})
        assert not path.exists()
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    found = [row.values for row in read(str(path), DataSettings()).train.rows]
    expected = ROWS
    if suffix == "csv":
        expected = [{n: "" if v is None else str(v) for n, v in row.items()} for row in ROWS]
    elif suffix == "jsonl":  # no columns are fixed there
        expected = [{**row, "extra": 1} for row in ROWS]
    assert found == expected


def test_tsv_and_lists(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    with Writer(str(path), ["text", "spans"]) as writer:
        writer.write({"text": "a", "spans": [{"label": "名"}]})
    assert path.read_text(encoding="utf-8") == 'text\tspans\na\t"[{""label"": ""名""}]"\n'


def test_nothing_is_left_after_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), Writer(str(path), COLUMNS) as writer:
        writer.write(ROWS[0])
        raise KeyboardInterrupt
    assert [item.name for item in tmp_path.iterdir()] == ["out.csv"]
    assert path.read_text() == "before"


def test_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with Writer("-", ["text"]) as writer:
        writer.write({"text": "a,b"})
    assert capsys.readouterr().out == 'text\n"a,b"\n'


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_no_rows(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    with Writer(str(path), COLUMNS):
        pass
    assert path.exists()


def test_bad_places(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ending '\.docx'"):
        Writer(str(tmp_path / "a.docx"), COLUMNS)
    with pytest.raises(UserError, match="does not exist"):
        Writer(str(tmp_path / "no" / "a.csv"), COLUMNS)
