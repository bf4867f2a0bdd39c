"""CSV and TSV: quoted line breaks, the line each row starts on, files without a header, ragged rows."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lightune.core.errors import UserError
from lightune.core.rows import Row
from lightune.data.formats.base import Format
from lightune.data.names import KNOWN, plain
from lightune.data.settings import DataSettings
from lightune.data.text_lines import read_lines

NUM_LOOKED_AT = 200  # lines that decide on delimiter, quoting and header
Record = tuple[int, list[str]]  # start line, cells
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True)
class Dialect:
    """How cells are told apart. `is_quoted`: double quotes enclose cells, as in RFC 4180."""

    delimiter: str
    is_quoted: bool


class Delimited(Format):
    """`.csv`, `.tsv`, `.tab`. The delimiter, the quoting and the header are found in the first lines."""

    suffixes = (".csv", ".tsv", ".tab")

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """One row a record; `line` is where the record starts."""
        yield from self.read_stream(read_lines(path, settings.encoding), str(path))

    def read_stream(self, lines: Iterable[str], file: str) -> Iterator[Row]:
        """As `read`, from lines already decoded; `file` names them in messages."""
        lines = iter(lines)
        first = list(itertools.islice(lines, NUM_LOOKED_AT))
        if not any(line.strip() for line in first):
            raise UserError(
                "the file is empty", hint="The first line must name the columns: text,label", file=file
            )
        dialect = find_dialect(first, file)
        self._explain(dialect, file)
        records = split_records(itertools.chain(first, lines), dialect, file)
        sample = list(itertools.islice(records, NUM_LOOKED_AT // 2))
        header_line, names = sample[0]
        if is_data(names, [cells for _, cells in sample[1:]]):
            self.columns = invent_names([cells for _, cells in sample])
            self.decisions.add(
                "columns", ", ".join(self.columns), f"line {header_line} looks like data, no header"
            )
        else:
            self.columns = check_header(names, file, header_line)
            sample = sample[1:]
        for index, (line, cells) in enumerate(itertools.chain(sample, records)):
            yield Row(index, self._values(cells, file, line, dialect), file, line)

    def _values(self, cells: list[str], file: str, line: int, dialect: Dialect) -> dict[str, str]:
        width = len(self.columns)
        if len(cells) > width and not any(cells[width:]):
            cells = cells[:width]  # spreadsheets write empty cells at the end
        if len(cells) != width:
            raise ragged(cells, self.columns, file, line, dialect)
        return dict(zip(self.columns, cells, strict=True))

    def _explain(self, dialect: Dialect, file: str) -> None:
        usual = "," if file.lower().endswith(".csv") else "\t"
        if dialect.delimiter != usual:
            self.decisions.add(
                "delimiter", repr(dialect.delimiter), "the character that parts the first line"
            )
        elif usual == "\t" and dialect.is_quoted:
            self.decisions.add("quotes", "enclose cells", "every quoted cell is closed again")


def find_dialect(lines: list[str], file: str) -> Dialect:
    """Delimiter and quoting from the first lines; the file's ending decides when both fit."""
    head = next(line for line in lines if line.strip())
    usual = "\t" if file.lower().endswith((".tsv", ".tab")) else ","
    bare = re.sub(r'"[^"]*"', "", head)
    counts = {mark: bare.count(mark) for mark in (usual, "\t", ",", ";", "|")}
    delimiter = (
        usual if counts[usual] or not any(counts.values()) else max(counts, key=lambda mark: counts[mark])
    )
    return Dialect(delimiter, is_quoted=delimiter != "\t" or encloses_cells(lines))


def encloses_cells(lines: list[str]) -> bool:
    """Whether double quotes enclose cells in a tab-separated file; in GLUE's files they are text."""
    cells = [cell for line in lines for cell in line.rstrip("\r\n").split("\t") if cell.startswith('"')]
    return bool(cells) and all(re.fullmatch(r'"(?:[^"]|"")*"', cell) for cell in cells)


def split_records(lines: Iterable[str], dialect: Dialect, file: str) -> Iterator[Record]:
    """Start line and cells of every record; blank lines are passed over.

    Raises:
        UserError: a quote that is not closed, or text after a closing quote.
    """
    if not dialect.is_quoted:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, line.rstrip("\r\n").split(dialect.delimiter)
        return
    reader = csv.reader(_split_at_returns(lines), delimiter=dialect.delimiter, strict=True)
    start = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _bad_quote(error, file, start, reader.line_num) from None
        if cells:
            yield start, cells
        start = reader.line_num + 1


def _split_at_returns(lines: Iterable[str]) -> Iterator[str]:
    r"""Lines that also end at a lone \r, as old Mac files have them."""
    for line in lines:
        if ("\r" in line and not line.endswith("\r\n")) or line.count("\r") > 1:
            yield from filter(None, re.findall(r"[^\r]*(?:\r\n?|$)", line))
        else:
            yield line


def _bad_quote(error: csv.Error, file: str, start: int, end: int) -> UserError:
    if "end of data" in str(error):
        problem = (
            f"a double quote is opened in the row that starts here and never closed (read up to line {end})"
        )
    else:
        problem = "there is text after a closing double quote"
    hint = 'Inside a quoted cell a double quote is written twice: "she said ""no"" to him".'
    return UserError(problem, hint=hint, file=file, line=start)


def check_header(names: list[str], file: str, line: int) -> list[str]:
    """The column names, blanks round them removed, empty ones at the end dropped, others numbered.

    Raises:
        UserError: the same name twice.
    """
    names = [name.strip() for name in names]
    while len(names) > 1 and not names[-1]:
        names.pop()
    names = [name or f"column {number}" for number, name in enumerate(names, start=1)]
    for number, name in enumerate(names):
        if name in names[:number]:
            hint = "Rename one of the two in the first line of the file."
            problem = f"two columns are called {name!r}"
            raise UserError(problem, hint=hint, file=file, line=line)
    return names


def ragged(cells: list[str], columns: list[str], file: str, line: int, dialect: Dialect) -> UserError:
    """The error for a row with too many or too few cells."""
    name = {"\t": "tab", ",": "comma", ";": "semicolon"}.get(dialect.delimiter, dialect.delimiter)
    hint = f"Text that contains a {name} must stand in double quotes."
    if len(cells) < len(columns):
        hint = f"Add the missing cell, or remove the row. {hint}"
    if not dialect.is_quoted:
        hint = f"A {name} parts the cells; replace {name}s inside a text by blanks."
    problem = (
        f"this row has {len(cells)} cell{'s' * (len(cells) != 1)}, but the first line names {len(columns)} "
        f"column{'s' * (len(columns) != 1)}: {', '.join(columns)}"
    )
    return UserError(problem, hint=hint, file=file, line=line)


def is_data(first: list[str], others: list[list[str]]) -> bool:
    """Whether the first record is a row like the others, so that the file has no header."""
    others = [cells for cells in others if len(cells) == len(first)]
    below_of = [{plain(cells[number]) for cells in others} for number in range(len(first))]
    if any(plain(cell) in KNOWN - below_of[number] for number, cell in enumerate(first)):
        return False  # `spam` that stands below `spam` is a label
    few_values = False
    for number, cell in enumerate(first):
        below = [cells[number] for cells in others]
        distinct = {plain(value) for value in below}
        if below and all(_is_number(value) for value in distinct) and not _is_number(cell):
            return False
        if len(below) >= 4 and len(distinct) <= max(2, len(below) // 3):
            few_values = True
            if plain(cell) in distinct:
                return True
    is_long = any(len(cell.split()) > 6 or len(cell) > 60 for cell in first)
    return not few_values and (is_long or any(_is_number(cell) for cell in first))


def invent_names(records: list[list[str]]) -> list[str]:
    """`text` for the longest column; `label` for the other if there are two, else numbers."""
    width = len(records[0])
    columns = [[cells[n] for cells in records if len(cells) == width] for n in range(width)]
    # Of two columns the label is the one whose values recur; of more, the longest is the text.
    sizes = [(len(set(values)) if width == 2 else 0, sum(map(len, values))) for values in columns]
    longest = sizes.index(max(sizes))
    names = ["label" if width == 2 else f"column {number}" for number in range(1, width + 1)]
    names[longest] = "text"
    return names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
