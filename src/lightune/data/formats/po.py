"""Translations of programs: gettext's `.po` catalogues (GNU gettext manual, section 10), a row an entry.

Entries without a translation, fuzzy and obsolete ones and the header are left out and counted; of plural
forms the first pair is a row.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings
from lightune.data.text_lines import read_lines

KEYWORD = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?)\s+(".*")\s*$')
LANGUAGE = re.compile(r"^Language:\s*([A-Za-z]+)", re.MULTILINE)


class Po(Format):
    """`source` and the translation, whose column has the name of the language where the header says it."""

    suffixes = (".po",)

    def __init__(self) -> None:
        super().__init__()
        self.target = "target"

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The translated entries in file order.

        Raises:
            UserError: a line that belongs to no entry, with its number.
        """
        index = 0
        for line, entry in _entries(path, settings.encoding):
            source, target = entry.get("msgid", ""), entry.get("msgstr", entry.get("msgstr[0]", ""))
            if not source:
                found = LANGUAGE.search(target)
                self.target = found[1].lower() if found else self.target
                continue
            if not target or "fuzzy" in entry:
                self.skip("the entry is fuzzy" if target else "the entry is not translated", str(path), line)
                continue
            self.columns = self.columns or ["source", self.target]
            yield Row(index, {"source": source, self.target: target}, str(path), line)
            index += 1

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All entries, for translating."""
        found = super().splits(path, settings)
        return replace(found, text=("source",), label=self.target, task="translate")


def _entries(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line of the msgid, keyword -> text) of each entry."""
    entry: dict[str, str] = {}
    start, keyword = 0, ""
    for number, raw in enumerate(read_lines(path, encoding), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            if "msgid" in entry and (not line or "msgstr" in entry or "msgstr[0]" in entry):
                yield start, entry
                entry, keyword = {}, ""
            if line.startswith("#,") and "fuzzy" in line:
                entry["fuzzy"] = "yes"
            continue
        found = KEYWORD.match(line)
        if found and found[1] in ("msgid", "msgctxt") and "msgid" in entry:
            yield start, entry
            entry = {}
        if found:
            keyword = found[1]
            start = number if keyword == "msgid" else start
            entry[keyword] = _text(found[2], path, number)
        elif line.startswith('"') and keyword:
            entry[keyword] += _text(line, path, number)
        else:
            hint = 'Lines are msgid "...", msgstr "...", a quoted continuation, or a comment.'
            raise UserError(
                f"this line belongs to no entry: {line[:40]!r}", file=path, line=number, hint=hint
            )
    if "msgid" in entry:
        yield start, entry


def _text(quoted: str, path: Path, line: int) -> str:
    try:
        return str(ast.literal_eval(quoted))
    except (SyntaxError, ValueError):
        hint = "A backslash or a quote in it needs a backslash before it."
        raise UserError("this text is not quoted as it should be", file=path, line=line, hint=hint) from None
