"""TACRED (Zhang et al. 2017): one JSON list of examples, each with its tokens and two token spans.

`subj_end` and `obj_end` are the last tokens themselves. The subject is the head, the object the tail.
Re-TACRED and TACREV have the same form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.core.spans import join_words
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings
from lightune.data.sniff import format_of
from lightune.data.text_lines import read_lines

ADDED = ("text", "head", "tail")  # columns that the file does not have


class Tacred(Format):
    """One row an example: its own keys, and `text`, `head` and `tail` by characters."""

    suffixes = (".json",)
    fills, fills_from = (".json",), "relation"

    def recognises(self, path: Path) -> bool:
        """A `.json` file with TACRED's keys near its beginning."""
        return super().recognises(path) and format_of(path) == "tacred"

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The examples in file order.

        Raises:
            UserError: no JSON list, or an example whose entities lie outside its tokens.
        """
        try:
            listed = json.loads("".join(read_lines(path, settings.encoding)))
        except json.JSONDecodeError as error:
            raise UserError(f"not valid JSON: {error.msg}", file=path, line=error.lineno) from None
        if not isinstance(listed, list):
            raise UserError("a TACRED file is one list of examples", file=path)
        for index, one in enumerate(listed):
            row = Row(index, _with_places(one, index, str(path)), str(path))
            self.columns = self.columns or list(row.values)
            yield row

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All examples, for the task `relation`."""
        found = super().splits(path, settings)
        return replace(found, text=("text",), label="relation", task="relation")

    def filled(self, path: Path, settings: DataSettings, rows: Sequence[Row], output: Path) -> str:
        """The file with the relations found."""
        own = [{key: one for key, one in row.values.items() if key != "probability"} for row in rows]
        return write([replace(row, values=values) for row, values in zip(rows, own, strict=True)])


def write(rows: Sequence[Row]) -> str:
    """The rows as a TACRED file, in the layout of the official ones: one line, without an end."""
    return json.dumps([{key: value for key, value in row.values.items() if key not in ADDED} for row in rows])


def _with_places(one: Any, index: int, file: str) -> dict[str, Any]:
    try:
        text, places = join_words([str(token) for token in one["token"]])
        pair = {}
        for name, part in (("head", "subj"), ("tail", "obj")):
            first, last = one[f"{part}_start"], one[f"{part}_end"]
            if not 0 <= first <= last:
                raise IndexError
            start, end = places[first][0], places[last][1]
            kind = one.get(f"{part}_type")
            pair[name] = {"start": start, "end": end, "type": kind, "text": text[start:end]}
    except (KeyError, IndexError, TypeError) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else "has an entity outside its tokens"
        hint = "Each needs token, subj_start, subj_end, obj_start, obj_end and relation."
        raise UserError(f"example {index + 1} {what}", file=file, hint=hint) from None
    return {**one, "text": text, **pair}
