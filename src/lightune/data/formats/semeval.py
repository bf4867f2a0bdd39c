r"""SemEval-2010 Task 8 (Hendrickx et al. 2010): four lines an example.

`8001\t"The <e1>cause</e1> of the <e2>fire</e2> ..."`, the relation, `Comment: ...`, a blank line. The
unlabelled test file has the first line of each alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.marking import Entity, tag_pair, untag_pair
from lightune.core.rows import Row, Splits
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings
from lightune.data.sniff import format_of
from lightune.data.text_lines import read_lines

FIRST = re.compile(r'(\d+)\t"(.*)"')
COMMENT = "Comment:"


class Semeval(Format):
    """Rows `id`, `text`, `head`, `tail`, `relation`, `comment`; the head is e1."""

    suffixes = (".txt",)
    fills, fills_from = (".txt",), "relation"

    def recognises(self, path: Path) -> bool:
        """A `.txt` file that begins with a numbered, quoted sentence with its tags."""
        return super().recognises(path) and format_of(path) == "semeval"

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """One row an example.

        Raises:
            UserError: a line that is none of the four, or tags that are missing.
        """
        self.columns = ["id", "text", "head", "tail", "relation", "comment"]
        index, start, block = 0, 0, list[str]()
        for number, raw in enumerate(read_lines(path, settings.encoding), start=1):
            line = raw.rstrip("\r\n")
            is_first = FIRST.fullmatch(line) is not None
            if block and (is_first or not line):
                yield _row(index, block, str(path), start)
                index, block = index + 1, []
            if not line:
                continue
            if not block and not is_first:
                hint = 'An example begins like this: 8001<tab>"The <e1>cause</e1> of the <e2>fire</e2>"'
                raise UserError(
                    f"this is no numbered sentence: {line[:40]!r}", file=path, line=number, hint=hint
                )
            start = number if is_first else start
            block.append(line)
        if block:
            yield _row(index, block, str(path), start)

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All examples, for the task `relation`."""
        found = super().splits(path, settings)
        return replace(found, text=("text",), label="relation", task="relation")

    def filled(self, path: Path, settings: DataSettings, rows: Sequence[Row], output: Path) -> str:
        """The file with the relations found."""
        first = next(iter(read_lines(path, settings.encoding)), "")
        return write(rows, line_end="\r\n" if first.endswith("\r\n") else "\n")


def write(rows: Sequence[Row], *, line_end: str = "\r\n") -> str:
    """The rows as a SemEval file; the official files end their lines with CR and LF."""
    lines: list[str] = []
    for row in rows:
        one = row.values
        head, tail = (Entity(one[name]["start"], one[name]["end"]) for name in ("head", "tail"))
        lines.append(f'{one["id"]}\t"{tag_pair(one["text"], head, tail)}"')
        if one.get("relation") is not None:
            lines += [one["relation"], f"{COMMENT}{one.get('comment') or ''}", ""]
    return "".join(line + line_end for line in lines)


def _row(index: int, block: list[str], file: str, line: int) -> Row:
    found = FIRST.fullmatch(block[0])
    assert found is not None
    tagged = untag_pair(found[2])
    if tagged is None:
        hint = "Each sentence needs <e1>...</e1> and <e2>...</e2> once."
        raise UserError("a tag is missing or stands twice", file=file, line=line, hint=hint)
    if len(block) > 3 or (len(block) == 3 and not block[2].startswith(COMMENT)):
        raise UserError(
            f"{block[-1][:40]!r} is neither relation nor comment", file=file, line=line + len(block) - 1
        )
    text, head, tail = tagged
    values: dict[str, Any] = {"id": found[1], "text": text}
    for name, one in (("head", head), ("tail", tail)):
        values[name] = {"start": one.start, "end": one.end, "text": text[one.start : one.end]}
    values["relation"] = block[1] if len(block) > 1 else None
    values["comment"] = block[2].removeprefix(COMMENT) if len(block) > 2 else None
    return Row(index, values, file, line)
