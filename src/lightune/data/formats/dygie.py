"""DyGIE++ (Wadden et al. 2019): one document a line, with sentences, entities, relations and events.

Numbers count the tokens of the document, ends are the last tokens themselves. A row is a sentence: its words,
and its events by characters of the words joined; `entities` likewise, for the task `tag`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.events import Mention, as_objects, read_events, to_characters, to_words
from lightune.core.rows import Row, Splits
from lightune.core.spans import Span, join_words
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings
from lightune.data.sniff import format_of
from lightune.data.text_lines import read_lines


class Dygie(Format):
    """One row a sentence: `doc_key`, `sentence` (its number), `words`, `entities`, `events`."""

    suffixes = (".jsonl", ".json", ".ndjson")
    fills, fills_from = (".json",), "events"

    def recognises(self, path: Path) -> bool:
        """A JSON file with DyGIE++'s keys near its beginning."""
        return super().recognises(path) and format_of(path) == "dygie"

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The sentences in file order.

        Raises:
            UserError: a line that is no such document, or tokens that are not there.
        """
        self.columns = ["doc_key", "document", "sentence", "words", "entities", "events"]
        index = 0
        for line, number, document in _documents(path, settings.encoding):
            try:
                rows = rows_of(document, number)
            except (KeyError, IndexError, TypeError, ValueError) as error:
                hint = "Each needs doc_key, sentences, and as many lists of ner and events."
                raise UserError(
                    f"the document is broken: {error!r}", file=path, line=line, hint=hint
                ) from None
            for values in rows:
                yield Row(index, values, str(path), line)
                index += 1

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All sentences, for the task `event`."""
        found = super().splits(path, settings)
        return replace(found, text=("words",), label="events", task="event")

    def filled(self, path: Path, settings: DataSettings, rows: Sequence[Row], output: Path) -> str:
        """The documents with the events found."""
        return write(read_documents(path, settings.encoding), rows)


def read_documents(path: Path, encoding: str = "utf-8") -> list[dict[str, Any]]:
    """The documents as they stand in the file."""
    return [document for _, _, document in _documents(path, encoding)]


def rows_of(document: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """The sentences of one document; `events` is None where it has none at all (a blind test set)."""
    found, first = [], 0
    for place, words in enumerate(document["sentences"]):
        text, places = join_words([str(word) for word in words])
        entities = document["ner"][place] if "ner" in document else []
        spans = [_in_sentence(one, first, len(words)) for one in entities]
        events = None
        if "events" in document:
            events = as_objects(to_characters(_events(document, place, first), places), text)
        found.append(
            {
                "doc_key": document["doc_key"],
                "document": number,
                "sentence": place,
                "words": list(words),
                "entities": [
                    {"start": places[a][0], "end": places[b - 1][1], "type": kind} for a, b, kind in spans
                ],
                "events": events,
            }
        )
        first += len(words)
    return found


def write(documents: Sequence[dict[str, Any]], rows: Sequence[Row]) -> str:
    """The documents with the events of the rows; what the rows say alike stays as it is written."""
    said = {(row.values["document"], row.values["sentence"]): row.values["events"] for row in rows}
    lines = []
    for number, document in enumerate(documents):
        if "events" not in document and not any(events for (own, _), events in said.items() if own == number):
            lines.append(document)
            continue
        first, listed = 0, []
        for place, words in enumerate(document["sentences"]):
            known = _events(document, place, first) if "events" in document else []
            _, places = join_words([str(word) for word in words])
            wanted = read_events(said.get((number, place)) or [])
            events = list(to_words(wanted or [], places))
            is_same = (number, place) not in said or events == known
            raw = document["events"][place] if "events" in document else []
            listed.append(raw if is_same else [_raw(one, first) for one in events])
            first += len(words)
        lines.append({**document, "events": listed})
    return "".join(json.dumps(one) + "\n" for one in lines)


def _documents(path: Path, encoding: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """(line, number, document) of each line that is not blank."""
    number = 0
    for line, text in enumerate(read_lines(path, encoding), start=1):
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"not valid JSON: {error.msg}", file=path, line=line) from None
        if not isinstance(value, dict):
            raise UserError("each line must be one document", file=path, line=line)
        yield line, number, value
        number += 1


def _events(document: dict[str, Any], place: int, first: int) -> list[Mention]:
    """The events of a sentence by its own words; a trigger is [token, type] or [from, to, type]."""
    width = len(document["sentences"][place])
    found = []
    for trigger, *arguments in document["events"][place]:
        whole = trigger if len(trigger) == 3 else [trigger[0], *trigger]
        spans = tuple(_in_sentence(one, first, width) for one in arguments)
        found.append(Mention(_in_sentence(whole, first, width), spans))
    return found


def _in_sentence(span: Sequence[Any], first: int, width: int) -> Span:
    start, last, kind = span[0] - first, span[1] - first, span[2]
    if not 0 <= start <= last < width:
        raise ValueError(f"tokens {span[0]} to {span[1]} are not in their sentence")
    return start, last + 1, str(kind)


def _raw(event: Mention, first: int) -> list[list[Any]]:
    start, end, kind = event.trigger
    trigger = [start + first, kind] if end - start == 1 else [start + first, end - 1 + first, kind]
    return [trigger, *([a + first, b - 1 + first, role] for a, b, role in event.arguments)]
