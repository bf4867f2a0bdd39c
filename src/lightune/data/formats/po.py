"""Translations of programs: gettext's `.po` catalogues (GNU gettext manual, section 10), a row an entry.

Entries without a translation, fuzzy and obsolete ones and the header are left out and counted; of plural
forms the first pair is a row. A run is asked for the translations that are empty, and they alone are filled.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings
from lightune.data.text_lines import read_lines

KEYWORD = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?)\s+(".*")\s*$')
SINGULAR = ("msgstr", "msgstr[0]")
ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"})
LANGUAGE = re.compile(r"^Language:\s*([A-Za-z]+)", re.MULTILINE)


@dataclass
class Entry:
    """One entry: the line of its msgid, keyword -> text, keyword -> its lines (from 1)."""

    line: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    places: dict[str, list[int]] = field(default_factory=dict)
    is_fuzzy: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it has a translation, be it an empty one."""
        return any(keyword.startswith("msgstr") for keyword in self.texts)


class Po(Format):
    """`source` and the translation, whose column has the name of the language where the header says it."""

    suffixes = (".po",)
    fills, fills_from = (".po",), "generated"

    def __init__(self) -> None:
        super().__init__()
        self.target = "target"

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The translated entries in file order.

        Raises:
            UserError: a line that belongs to no entry, with its number.
        """
        index = 0
        for entry in _entries(path, settings.encoding):
            line, texts = entry.line, entry.texts
            source, target = texts.get("msgid", ""), texts.get("msgstr", texts.get("msgstr[0]", ""))
            if not source:
                found = LANGUAGE.search(target)
                self.target = found[1].lower() if found else self.target
                continue
            if not target or entry.is_fuzzy:
                self.skip("the entry is fuzzy" if target else "the entry is not translated", str(path), line)
                continue
            self.columns = self.columns or ["source", self.target]
            yield Row(index, {"source": source, self.target: target}, str(path), line)
            index += 1

    def questions(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The sources whose translation is empty: `source`; of plural forms one row for singular and plural.

        Raises:
            UserError: nothing is left to translate.
        """
        self.columns = ["source"]
        index = 0
        for entry, source, _ in _waiting(_entries(path, settings.encoding)):
            yield Row(index, {"source": source}, str(path), entry.line)
            index += 1
        if not index:
            hint = 'A run fills the entries whose msgstr is "".'
            raise UserError("every entry has a translation already", file=path, hint=hint)

    def filled(self, path: Path, settings: DataSettings, rows: Sequence[Row], output: Path) -> str:
        """The file with its empty translations filled; every other line as it was."""
        lines = list(read_lines(path, settings.encoding))
        waiting = list(_waiting(_entries(path, settings.encoding)))
        for (entry, source, keywords), row in zip(waiting, rows, strict=True):
            said = _shaped(str(row.values["generated"] or ""), source)
            for keyword in keywords if said else ():
                first, *more = (place - 1 for place in entry.places[keyword])
                start, _, behind = lines[first].partition('"')
                lines[first] = f'{start}"{said.translate(ESCAPES)}"{behind.rpartition(chr(34))[2]}'
                for place in more:  # continuations of an empty text: quotes with nothing between
                    lines[place] = ""
        return "".join(lines)

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All entries, for translating."""
        found = super().splits(path, settings)
        return replace(found, text=("source",), label=self.target, task="translate")


def _entries(path: Path, encoding: str) -> Iterator[Entry]:
    """The entries in file order, the header too."""
    entry, keyword = Entry(), ""
    for number, raw in enumerate(read_lines(path, encoding), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            if "msgid" in entry.texts and (not line or entry.is_whole):
                yield entry
                entry, keyword = Entry(), ""
            entry.is_fuzzy |= line.startswith("#,") and "fuzzy" in line
            continue
        found = KEYWORD.match(line)
        if found and found[1] in ("msgid", "msgctxt") and "msgid" in entry.texts:
            yield entry
            entry = Entry()
        if found:
            keyword = found[1]
            entry.line = number if keyword == "msgid" else entry.line
            entry.texts[keyword] = _text(found[2], path, number)
            entry.places[keyword] = [number]
        elif line.startswith('"') and keyword:
            entry.texts[keyword] += _text(line, path, number)
            entry.places[keyword].append(number)
        else:
            hint = 'Lines are msgid "...", msgstr "...", a quoted continuation, or a comment.'
            raise UserError(
                f"this line belongs to no entry: {line[:40]!r}", file=path, line=number, hint=hint
            )
    if "msgid" in entry.texts:
        yield entry


def _waiting(entries: Iterator[Entry]) -> Iterator[tuple[Entry, str, list[str]]]:
    """(entry, text to translate, keywords of the empty translations that it is for)."""
    for entry in entries:
        source = entry.texts.get("msgid", "")
        empty = [one for one, text in entry.texts.items() if one.startswith("msgstr") and not text]
        if not source:
            continue
        if first := [keyword for keyword in empty if keyword in SINGULAR]:
            yield entry, source, first
        if more := [keyword for keyword in empty if keyword not in SINGULAR]:
            yield entry, entry.texts.get("msgid_plural", source), more


def _shaped(said: str, source: str) -> str:
    r"""A translation that begins and ends with a line feed where its source does, as `msgfmt` demands."""
    body = said.strip("\n")
    start, end = "\n" * source.startswith("\n"), "\n" * source.endswith("\n")
    return f"{start}{body}{end}" if body else ""


def _text(quoted: str, path: Path, line: int) -> str:
    try:
        return str(ast.literal_eval(quoted))
    except (SyntaxError, ValueError):
        hint = "A backslash or a quote in it needs a backslash before it."
        raise UserError("this text is not quoted as it should be", file=path, line=line, hint=hint) from None
