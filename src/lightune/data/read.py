"""From what the person names (a file, a folder, a hub id, `-`) to rows."""

from __future__ import annotations

import csv
import difflib
import itertools
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits, Table
from lightune.data import formats
from lightune.data.bundled import names as bundled_names
from lightune.data.formats.base import Format
from lightune.data.names import KNOWN, TEXTS, plain
from lightune.data.settings import DataSettings
from lightune.data.text_lines import NOT_TEXT, decode_lines, open_binary

STDIN = "-"
MOST_WORDS = 3  # of a column's name
MOST_WORDS_OF_PATH = 12
READABLE = (
    "CSV, TSV, JSONL, JSON, Parquet or text files, a folder of text files per class, a folder of GLUE files, "
    "two files with a translation a line (corpus.en,corpus.fr)"
)
PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}


def read(source: str, settings: DataSettings) -> Splits:
    """All rows of a data source, in the parts it keeps apart.

    Raises:
        UserError: nothing there, of no known format, or broken; with file and line.
    """
    path = Path(source).expanduser()
    if source == STDIN:
        reader, lines = _sniff_stdin(settings)
        rows = list(reader.read_stream(lines, "stdin"))  # type: ignore[attr-defined]
        splits = Splits(train=reader.table(rows, "stdin"))
    elif _is_there(path) and path.is_dir() and (files := _part_files(path)) and not _is_recognised(path):
        splits = Splits(**{part: _read_one(file, settings) for part, file in files.items()})  # type: ignore[arg-type]
    else:
        splits = find_format(path, source).splits(path, settings)
    if settings.limit is None:
        return splits
    return replace(
        splits,
        train=_limited(splits.train, settings.limit),
        validation=splits.validation and _limited(splits.validation, settings.limit),
        test=splits.test and _limited(splits.test, settings.limit),
    )


def stream(source: str, settings: DataSettings) -> Iterator[Row]:
    """The rows of a file (or of stdin, `-`) one after another, in constant memory.

    Raises:
        UserError: as `read`, when the bad row is reached.
    """
    if source == STDIN:
        reader, lines = _sniff_stdin(settings)
        rows: Iterator[Row] = reader.read_stream(lines, "stdin")  # type: ignore[attr-defined]
    else:
        path = Path(source).expanduser()
        rows = find_format(path, source).read(path, settings)
    return itertools.islice(rows, settings.limit)


def questions(source: str, settings: DataSettings) -> Iterator[Row]:
    """As `stream`, the rows that a run is to answer: in some formats those that have no answer yet."""
    if source == STDIN:
        return stream(source, settings)
    path = Path(source).expanduser()
    return itertools.islice(find_format(path, source).questions(path, settings), settings.limit)


def find_format(path: Path, source: str) -> Format:
    """The format that recognises `path`.

    Raises:
        UserError: no such file (the nearest name is given), or no format reads it.
    """
    if not _is_there(path) and not _are_two_files(source):
        hub = plugins.load(formats, "hub", Format)()  # type: ignore[type-abstract]
        if not source.startswith(("/", ".", "~")) and hub.recognises(path):
            return hub
        raise _no_such_file(path, source)
    for name in plugins.names(formats):
        found = plugins.load(formats, name, Format)()  # type: ignore[type-abstract]
        if found.recognises(path):
            return found
    raise _unknown_format(path)


def _is_there(path: Path) -> bool:
    """Whether there is such a file; a text that was given for one is longer than names may be."""
    try:
        return path.exists()
    except OSError:
        return False


def _is_recognised(path: Path) -> bool:
    names = plugins.names(formats)
    return any(plugins.load(formats, name, Format)().recognises(path) for name in names)  # type: ignore[type-abstract]


def _are_two_files(source: str) -> bool:
    """Whether `one,other` names two files.

    Raises:
        UserError: one of them is there and the other is not.
    """
    names = [name.strip() for name in source.split(",")]
    places = [Path(name).expanduser() for name in names]
    found = [_is_there(place) and place.is_file() for place in places]
    if len(names) == 2 and any(found) and not all(found):
        missing = names[found.index(False)]
        raise _no_such_file(Path(missing).expanduser(), missing)
    return len(names) == 2 and all(found)


def _part_files(path: Path) -> dict[str, Path]:
    """The files `train.*`, `validation.*` and `test.*` of a folder; none when there is no train file."""
    files = sorted(item for item in path.iterdir() if item.is_file())
    found = {
        part: file
        for part, names in PART_NAMES.items()
        for file in files
        if file.stem.lower() in names
        and file.suffix.lower() in {".csv", ".tsv", ".jsonl", ".json", ".parquet"}
    }
    return found if "train" in found else {}


def _read_one(file: Path, settings: DataSettings) -> Table:
    return find_format(file, str(file)).splits(file, settings).train


def _limited(table: Table, limit: int) -> Table:
    """`limit` rows, drawn with a fixed seed and kept in file order (files are often sorted by label)."""
    if len(table) <= limit:
        return table
    chosen = sorted(random.Random(0).sample(range(len(table)), limit))
    return replace(table, rows=[table.rows[position] for position in chosen])


def _sniff_stdin(settings: DataSettings) -> tuple[Format, Iterator[str]]:
    """The format that the first line of stdin looks like, and all lines."""
    lines = decode_lines(sys.stdin.buffer, settings.encoding, "stdin")
    first = next(lines, "")
    name = "lines"
    if first.lstrip().startswith("{"):
        name = "jsonl"
    elif is_header(first):
        name = "delimited"
    return plugins.load(formats, name, Format)(), itertools.chain([first], lines)  # type: ignore[type-abstract]


def is_header(line: str) -> bool:
    """Whether a line names columns rather than being a text itself."""
    mark = next((mark for mark in "\t,;" if mark in line), ",")
    cells = next(csv.reader([line.rstrip("\r\n")], delimiter=mark), [])
    is_known = any(plain(cell) in KNOWN for cell in cells)
    if is_known and all(len(cell.split()) <= MOST_WORDS for cell in cells):
        return len(cells) > 1 or plain(cells[0]) in TEXTS
    return len(cells) > 1 and all(re.fullmatch(r"[^\W\d][\w#.-]{0,29}", cell) for cell in cells)


def _no_such_file(path: Path, source: str) -> UserError:
    parent = path.parent
    if len(source.split()) > MOST_WORDS_OF_PATH:
        hint = "For a text itself: echo TEXT | lightune predict RUN -"
        return UserError("no such file", file=f"{source[:40]}...", hint=hint)
    if not parent.is_dir():
        return UserError("no such file", file=source, hint=f"There is no folder {str(parent)!r} either.")
    names = sorted(item.name for item in parent.iterdir() if not item.name.startswith("."))
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    if not close:
        close = [name for name in names if Path(name).stem.lower() == path.stem.lower()][:1]
    bundled = difflib.get_close_matches(source, bundled_names(), n=1, cutoff=0.75)
    close = [str(parent / close[0])] if close else bundled
    guess = f"Did you mean {close[0]!r}? " if close else ""
    here = parent.resolve()
    return UserError(
        "no such file", file=source, hint=f"{guess}Looked in {here}. Hub data is named owner/name."
    )


def _unknown_format(path: Path) -> UserError:
    if path.is_dir():
        names = sorted(item.name for item in path.iterdir())[:5]
        seen = f"it holds {', '.join(names)}" if names else "it is empty"
        problem = f"this folder is not laid out as data that lightune reads ({seen})"
        return UserError(problem, hint=f"Give {READABLE}.", file=path)
    with open_binary(path) as stream:
        start = stream.read(8)
    for magic, meaning in NOT_TEXT.items():
        if start.startswith(magic):
            return UserError("lightune cannot read this kind of file", hint=f"It is {meaning}.", file=path)
    ending = f"the ending {path.suffix!r}" if path.suffix else "no ending"
    problem = f"the file has {ending}, so its format is not known"
    return UserError(problem, hint=f"lightune reads {READABLE}; rename or convert it.", file=path)
