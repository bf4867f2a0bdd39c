"""Reading: start lines, quoting, headers, every format, and streaming in constant memory."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from lightune.core.errors import UserError
from lightune.core.rows import Table
from lightune.data.formats.hub import hub_name, is_hub_id
from lightune.data.read import read, stream
from lightune.data.settings import DataSettings

SETTINGS = DataSettings()


def table(folder: Path, name: str, content: str | bytes, settings: DataSettings = SETTINGS) -> Table:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(str(path), settings).train


def cells(table: Table) -> list[list[object]]:
    return [list(row.values.values()) for row in table.rows]


def test_quoted_line_breaks_keep_start_lines(tmp_path: Path) -> None:
    found = table(
        tmp_path, "a.csv", '\ufefftext,label\r\n"one\r\ntwo, ""x""",pos\r\n\r\nthree\u2028\x85,neg\r\n'
    )
    assert cells(found) == [['one\r\ntwo, "x"', "pos"], ["three\u2028\x85", "neg"]]
    assert [row.line for row in found.rows] == [2, 5]
    assert found.columns == ["text", "label"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(tmp_path: Path, end: str) -> None:
    found = table(tmp_path, "a.csv", f"text,label{end}a,x{end}b,y{end}")
    assert cells(found) == [["a", "x"], ["b", "y"]]
    assert [row.line for row in found.rows] == [2, 3]


def test_semicolons_and_spreadsheet_tails(tmp_path: Path) -> None:
    found = table(tmp_path, "a.csv", "text;label;;\ngood, really;pos;;\n")
    assert cells(found) == [["good, really", "pos"]]
    assert [(d.what, d.value) for d in found.decisions] == [("delimiter", "';'")]


def test_tsv_quotes_enclose_or_are_text(tmp_path: Path) -> None:
    enclosing = table(tmp_path, "a.tsv", 'text\tlabel\n"a ""b"""\tx\nc\ty\n')
    assert cells(enclosing) == [['a "b"', "x"], ["c", "y"]]
    plain = table(tmp_path, "b.tsv", 'text\tlabel\n"a b\tx\n"c"\ty\n')
    assert cells(plain) == [['"a b', "x"], ['"c"', "y"]]


@pytest.mark.parametrize(
    ("content", "is_headerless"),
    [
        ("a very good film it was indeed,pos\n" + "x,pos\ny,neg\n" * 5, True),
        ("short one,pos\n" + "x,pos\ny,neg\n" * 5, True),
        ("what people wrote,verdict\n" + "x,pos\ny,neg\n" * 5, False),
        ("comment by the visitor in his or her words,mark\n" + "x,1\ny,2\n" * 5, False),
        ("text,label\n" + "x,label\ny,neg\n" * 5, False),
    ],
)
def test_first_row_is_header_or_data(tmp_path: Path, content: str, is_headerless: bool) -> None:
    found = table(tmp_path, "a.csv", content)
    assert len(found) == 10 + is_headerless
    assert (found.columns == ["text", "label"] and bool(found.decisions)) == is_headerless
    assert found.rows[0].line == (1 if is_headerless else 2)


def test_other_encodings(tmp_path: Path) -> None:
    content = "text,label\n很好,好\n"
    for encoding in ("gb18030", "big5"):
        found = table(tmp_path, "a.csv", content.encode(encoding), DataSettings(encoding=encoding))
        assert cells(found) == [["很好", "好"]]
    assert cells(table(tmp_path, "a.csv", content.encode("utf-16"))) == [["很好", "好"]]
    with pytest.raises(UserError, match="no encoding called 'utf-9'"):
        table(tmp_path, "a.csv", content, DataSettings(encoding="utf-9"))


def test_json_lines_lists_and_objects(tmp_path: Path) -> None:
    rows = [{"text": "a\u2028b", "label": ["x", "y"]}, {"text": "c", "extra": 1}]
    lines = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\r\n"
    found = table(tmp_path, "a.jsonl", lines)
    assert [row.values for row in found.rows] == rows
    assert [row.line for row in found.rows] == [1, 3]
    assert found.columns == ["text", "label", "extra"]
    listed = table(tmp_path, "a.json", json.dumps(rows, indent=1))
    assert [row.values for row in listed.rows] == rows
    assert [row.line for row in listed.rows] == [2, 9]
    wrapped = table(tmp_path, "b.json", json.dumps({"version": 1, "data": rows}, indent=1))
    assert [row.values for row in wrapped.rows] == rows
    assert table(tmp_path, "c.json", "[]").rows == []


def test_parquet_keeps_types(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a", "b"], "score": [0.5, None]}), path)
    found = read(str(path), SETTINGS).train
    assert cells(found) == [["a", 0.5], ["b", None]]
    assert found.rows[0].line is None


@pytest.mark.parametrize("prefix", ["", "train/"])
def test_folders_of_texts(tmp_path: Path, prefix: str) -> None:
    for label, text in (("neg", "bad\nfilm\n"), ("pos", "good")):
        place = tmp_path / f"{prefix}{label}"
        place.mkdir(parents=True)
        (place / "1.txt").write_text(text)
    if prefix:
        (tmp_path / "test" / "pos").mkdir(parents=True)
        (tmp_path / "test" / "pos" / "2.txt").write_text("fine")
    splits = read(str(tmp_path), SETTINGS)
    assert cells(splits.train) == [["bad\nfilm", "neg"], ["good", "pos"]]
    assert splits.train.rows[0].file.endswith("neg/1.txt")
    assert (cells(splits.test) if splits.test else None) == ([["fine", "pos"]] if prefix else None)


def test_folder_of_split_files(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{name},x\n")
    splits = read(str(tmp_path), SETTINGS)
    assert splits.validation is not None
    assert splits.test is not None
    assert [cells(t) for t in (splits.train, splits.validation, splits.test)] == [
        [["train", "x"]],
        [["dev", "x"]],
        [["test", "x"]],
    ]


def test_limit_draws_from_the_whole_file(tmp_path: Path) -> None:
    content = "text,label\n" + "".join(f"t{n},{'a' if n < 500 else 'b'}\n" for n in range(1000))
    found = table(tmp_path, "a.csv", content, DataSettings(limit=40))
    assert len(found) == 40
    assert {row.values["label"] for row in found.rows} == {"a", "b"}
    assert [row.index for row in found.rows] == sorted(row.index for row in found.rows)


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("text,id\nhi,1\n", [{"text": "hi", "id": "1"}]),
        ("tweet_body,airline\nhi,1\n", [{"tweet_body": "hi", "airline": "1"}]),
        ('{"text": "hi"}\n', [{"text": "hi"}]),
        ("Hello, world\nsecond\n", [{"text": "Hello, world"}, {"text": "second"}]),
        ("text\na\n", [{"text": "a"}]),
        ("", []),
    ],
)
def test_stdin_is_told_by_its_first_line(
    monkeypatch: pytest.MonkeyPatch, content: str, values: list[dict[str, str]]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert [row.values for row in stream("-", SETTINGS)] == values


def test_stream_reads_no_further_than_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "a,x\n" * 500 + "broken\n")
    rows = stream(str(path), SETTINGS)
    assert next(rows).line == 2
    with pytest.raises(UserError, match="this row has 1 cell") as caught:
        list(rows)
    assert caught.value.line == 502


def test_hub_ids() -> None:
    assert hub_name("glue/mrpc") == ("nyu-mll/glue", "mrpc")
    assert hub_name("owner/name") == ("owner/name", None)
    assert hub_name("owner/name/part") == ("owner/name", "part")
    assert [is_hub_id(s) for s in ("glue/mrpc", "a/b.csv", "reviews", "/a/b", "src/x")] == [
        True,
        *[False] * 3,
        False,
    ]


def test_first_row_of_a_wide_file_without_header(tmp_path: Path) -> None:
    rows = "".join(f'"{n % 2}","{n % 2}","u{n}","a longer text, number {n}"\n' for n in range(20))
    found = table(tmp_path, "a.csv", rows)
    assert len(found) == 20
    assert found.columns == ["column 1", "column 2", "column 3", "text"]


def test_a_misspelt_bundled_name_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="Did you mean 'movies'"):
        read("movie", SETTINGS)
