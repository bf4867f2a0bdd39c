"""A table of broken data files: what writes each one, and what the message must say and where."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class BadInput:
    """One kind of broken data.

    Attributes:
        name: for the test's title.
        make: writes the file into a folder and returns what to pass as DATA.
        words: each must be in the message.
        line: the line the message names; None where there is none.
        options: columns that the user chose: `text`, `label`, `task`.
        kind: of the problem that `check` reports; empty when reading itself fails.
    """

    name: str
    make: Callable[[Path], Path]
    words: tuple[str, ...]
    line: int | None = None
    options: dict[str, str] = field(default_factory=dict)
    kind: str = ""


ROWS = [(f"film number {n} was {'good' if n % 2 else 'bad'}", "pos" if n % 2 else "neg") for n in range(30)]


def good(rows: list[tuple[str, str]] | None = None) -> str:
    """A CSV file without a fault."""
    return "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows or ROWS)


def file(name: str, content: str | bytes) -> Callable[[Path], Path]:
    """Something that writes `content` into the file `name`."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def missing(folder: Path) -> Path:
    """A misspelled name beside the right file."""
    file("reviews.csv", good())(folder)
    return folder / "reveiws.csv"


def empty_folder(folder: Path) -> Path:
    """A folder without files."""
    (folder / "data").mkdir()
    return folder / "data"


def split_files(validation: str) -> Callable[[Path], Path]:
    """A folder of train.csv and validation.csv."""

    def make(folder: Path) -> Path:
        (folder / "data").mkdir()
        file("data/train.csv", good())(folder)
        file("data/validation.csv", validation)(folder)
        return folder / "data"

    return make


OBJECTS = [json.dumps({"text": text, "label": label}) for text, label in ROWS]
NUMBERS = "text,score\n" + "".join(f"text {n},{n}.5\n" for n in range(40))
LATIN = good().encode() + "café,pos\n".encode("latin-1")
HOLES = [(text, "" if n % 3 == 0 else label) for n, (text, label) in enumerate(ROWS)]
GAPS = [("" if n % 3 == 1 else text, label) for n, (text, label) in enumerate(ROWS)]

BAD_INPUTS = [
    BadInput("no such file", missing, ("no such file", "reviews.csv")),
    BadInput("empty file", file("a.csv", ""), ("empty", "text,label")),
    BadInput("blank lines only", file("a.csv", "\n\n\n"), ("empty",)),
    BadInput("empty folder", empty_folder, ("empty", "CSV")),
    BadInput("unknown ending", file("a.xyz", "hello"), (".xyz", "CSV")),
    BadInput("Excel workbook", file("a.xlsx", b"PK\x03\x04rest"), ("Excel", "CSV")),
    BadInput("Excel workbook named .csv", file("a.csv", b"PK\x03\x04rest"), ("not a text file", "Excel")),
    BadInput(
        "cell missing", file("a.csv", good() + "only a text\n"), ("1 cell", "2 columns", "text, label"), 32
    ),
    BadInput(
        "comma in text", file("a.csv", good() + "good, but long,pos\n"), ("3 cells", "double quotes"), 32
    ),
    BadInput(
        "quote left open", file("a.csv", good() + '"never closed,pos\nmore,neg\n'), ("never closed",), 32
    ),
    BadInput(
        "text after quote", file("a.csv", good() + '"said "no" twice",pos\n'), ("closing", '""no""'), 32
    ),
    BadInput("not UTF-8", file("a.csv", LATIN), ("0xE9", "--data.encoding latin-1", "gb18030"), 32),
    BadInput("UTF-16 without a mark", file("a.csv", good().encode("utf-16-le")), ("UTF-16", "utf-16-le")),
    BadInput("two equal columns", file("a.csv", "text,text\na,b\n"), ("two columns", "'text'"), 1),
    BadInput("one column", file("a.csv", "text\n" + "a good film\nbad\n" * 9), ("one column", "label"), 1),
    BadInput(
        "no label",
        file("a.csv", "text,author\n" + "".join(f"t {n},p {n}\n" for n in range(30))),
        ("no column looks like a label", "--label"),
        1,
    ),
    BadInput(
        "chosen column missing", file("a.csv", good()), ("'sentimen'", "text"), None, {"label": "sentimen"}
    ),
    BadInput("tab in TSV", file("a.tsv", good().replace(",", "\t") + "a\tb\tpos\n"), ("3 cells", "tab"), 32),
    BadInput(
        "bad JSON line", file("a.jsonl", "\n".join([*OBJECTS, '{"text": "x", label: 1}'])), ("JSON",), 31
    ),
    BadInput(
        "JSON line is no object", file("a.jsonl", "\n".join([*OBJECTS, '["a"]'])), ("object", "list"), 31
    ),
    BadInput("JSON list cut off", file("a.json", "[" + ",\n".join(OBJECTS)), ("cut off",), 30),
    BadInput("broken Parquet", file("a.parquet", b"PAR1 nothing"), ("Parquet", "copy it again")),
    BadInput(
        "header only",
        file("a.csv", "text,label\n"),
        ("no rows", "Add one row"),
    ),
    BadInput("too few rows", file("a.csv", good(ROWS[:5])), ("5", "too few"), None, {}, "too_few_rows"),
    BadInput(
        "one class",
        file("a.csv", good([(text, "pos") for text, _ in ROWS])),
        ("'pos'", "two classes"),
        None,
        {},
        "one_class",
    ),
    BadInput("labels missing", file("a.csv", good(HOLES)), ("'label' is empty",), 2, {}, "missing_label"),
    BadInput("texts missing", file("a.csv", good(GAPS)), ("'text' is empty",), 3, {}, "empty_text"),
    BadInput(
        "not a number",
        file("a.csv", NUMBERS + "last,high\n"),
        ("'high'", "not a number"),
        42,
        {"task": "regress"},
        "not_a_number",
    ),
    BadInput(
        "label never trained", split_files(good() + "odd,pso\n"), ("'pso'", "'pos'"), 32, {}, "label_unseen"
    ),
    BadInput(
        "column missing in validation",
        split_files("txt,label\na,pos\n"),
        ("'text'", "'txt'"),
        None,
        {},
        "missing_column",
    ),
]
