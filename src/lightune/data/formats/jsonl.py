"""JSON Lines (one object a line) and `.json` files that hold one list of objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.rows import Row
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings
from lightune.data.sniff import format_of
from lightune.data.text_lines import read_lines

UNFINISHED = "it is not annotated, its annotator rejected it, or it is a chat without a reply"
ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
EXPECTED = 'Each line must be one object such as {"text": "a good film", "label": "pos"}.'


class Jsonl(Format):
    """`.jsonl`, `.ndjson`, `.json`. Columns are the keys, in the order they first appear."""

    suffixes = (".jsonl", ".ndjson", ".json")

    def recognises(self, path: Path) -> bool:
        """By its ending, unless the file has a format of its own."""
        return super().recognises(path) and not format_of(path)

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """One row an object; a list is told from lines by its first character."""
        lines = read_lines(path, settings.encoding)
        first = next((line for line in lines if line.strip()), "")
        if not first:
            raise UserError("the file is empty", hint=EXPECTED, file=path)
        is_list = first.lstrip().startswith("[")
        is_one_object = path.suffix.lower() == ".json" and first.strip() == "{"
        if is_list or is_one_object:
            text = "".join(read_lines(path, settings.encoding))
            yield from self._read_document(text, str(path))
        else:
            yield from self.read_stream(read_lines(path, settings.encoding), str(path))

    def read_stream(self, lines: Iterable[str], file: str) -> Iterator[Row]:
        """One row a line; blank lines are passed over."""
        index = 0
        for number, line in enumerate(lines, start=1):
            if line.strip():
                value = flattened(_parse(line, file, number))
                if value is None:
                    self.skip(UNFINISHED, file, number)
                    continue
                yield self._row(index, value, file, number)
                index += 1

    def _row(self, index: int, value: Any, file: str, line: int | None) -> Row:
        if not isinstance(value, dict):
            raise UserError(
                f"expected an object with named values, found {type(value).__name__} {str(value)[:40]!r}",
                hint=EXPECTED,
                file=file,
                line=line,
            )
        for name in value:
            if name not in self.columns:
                self.columns.append(name)
        return Row(index, value, file, line)

    def _read_document(self, text: str, file: str) -> Iterator[Row]:
        """A list of objects, or an object whose only list holds them."""
        start = len(text) - len(text.lstrip())
        if text[start] == "{":
            yield from self._read_object(text, file)
            return
        decoder = json.JSONDecoder()
        position, line, counted, index = start + 1, 1, 0, 0
        while True:
            position = _skip(text, position, " \t\r\n")
            if text[position : position + 1] == "]":
                return
            line += text.count("\n", counted, position)
            counted = position
            try:
                value, position = decoder.raw_decode(text, position)
            except json.JSONDecodeError as error:
                raise _not_json(error, file, error.lineno) from None
            value = flattened(value)
            if value is None:
                self.skip(UNFINISHED, file, line)
            else:
                yield self._row(index, value, file, line)
                index += 1
            position = _skip(text, position, " \t\r\n")
            mark = text[position : position + 1]
            if mark not in {",", "]"}:
                lost = "the list is not closed: the file seems cut off" if not mark else f"found {mark!r}"
                where = 1 + text.count("\n", 0, position)
                hint = "Put a comma between the objects and ] at the end."
                raise UserError(f"not valid JSON: {lost}", hint=hint, file=file, line=where)
            position += mark == ","

    def _read_object(self, text: str, file: str) -> Iterator[Row]:
        value = _parse(text, file, 1)
        lists = [name for name, item in value.items() if isinstance(item, list)]
        if len(lists) != 1:
            raise UserError(
                f"the file is one object with {len(lists)} lists, so it is not clear where the rows are",
                hint="Save one list of objects, or one object a line (.jsonl).",
                file=file,
            )
        self.decisions.add("rows", lists[0], "the only list in the JSON file")
        for index, item in enumerate(value[lists[0]]):
            yield self._row(index, item, file, None)


def flattened(value: Any) -> Any:
    """A task of a Label Studio export as text and spans; None for what Prodigy's annotators rejected."""
    if not isinstance(value, dict):
        return value
    data, notes = value.get("data"), value.get("annotations", value.get("completions"))
    if isinstance(data, dict) and isinstance(notes, list):
        done = [note for note in notes if not note.get("was_cancelled")]
        if not done:
            return None
        spans = [one for one in done[0].get("result", []) if "start" in one.get("value", {})]
        return {**data, "spans": spans}
    if isinstance(chat := value.get("messages", value.get("conversations")), list):
        return from_chat(value, chat)
    if "instruction" in value and "output" in value:  # Alpaca (Taori et al. 2023)
        parts = [str(value[name]) for name in ("instruction", "input") if value.get(name)]
        return {"prompt": "\n\n".join(parts), "response": value["output"]}
    is_rejected = "spans" in value and value.get("answer") in {"reject", "ignore"}
    return None if is_rejected else value


def from_chat(value: dict[str, Any], chat: list[Any]) -> dict[str, Any] | None:
    """A chat of (role, content), or ShareGPT's (from, value): its turns, and the last reply apart."""
    turns = []
    for one in chat:
        if not isinstance(one, dict):
            return None
        role = str(one.get("role", one.get("from", "")))
        turns.append([ROLES.get(role, role), str(one.get("content", one.get("value", "")) or "")])
    while turns and turns[-1][0] != "assistant":
        turns.pop()
    if len(turns) < 2:
        return None
    rest = {name: one for name, one in value.items() if name not in {"messages", "conversations"}}
    return {"prompt": turns[-2][1], "response": turns[-1][1], "turns": turns[:-1], **rest}


def _skip(text: str, position: int, characters: str) -> int:
    while position < len(text) and text[position] in characters:
        position += 1
    return position


def _parse(text: str, file: str, line: int) -> Any:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise _not_json(error, file, line + error.lineno - 1) from None
    if SURROGATE.search(text):  # two of them make a character, one alone makes none
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            hint = "It was cut in the middle of a character, such as an emoji. Take that half out."
            raise UserError("half a character (a lone surrogate)", file=file, line=line, hint=hint) from None
    return found


def _not_json(error: json.JSONDecodeError, file: str, line: int) -> UserError:
    return UserError(
        f"not valid JSON: {error.msg[0].lower()}{error.msg[1:]}, at character {error.colno}",
        hint=EXPECTED,
        file=file,
        line=line,
        column=error.colno,
    )
