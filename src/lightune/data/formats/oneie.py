"""ACE as OneIE writes it (Lin et al. 2020): one sentence a line, with tokens, entities and events.

`start` and `end` count tokens, ends lie behind the last one. A row has the keys of its line, and `events` and
`entities` by characters of the tokens joined.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
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

ADDED = ("entities", "events")
UNKNOWN = "UNK"  # the type of an entity that only an event knows of


class Oneie(Format):
    """One row a sentence; the text is the column `tokens`."""

    suffixes = (".jsonl", ".json", ".ndjson")
    fills, fills_from = (".json",), "events"

    def recognises(self, path: Path) -> bool:
        """A JSON file with OneIE's keys near its beginning."""
        return super().recognises(path) and format_of(path) == "oneie"

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The sentences in file order.

        Raises:
            UserError: a line that is no such sentence, or tokens and entities that are not there.
        """
        index = 0
        for line, text in enumerate(read_lines(path, settings.encoding), start=1):
            if not text.strip():
                continue
            try:
                one = json.loads(text)
                row = Row(index, {**one, **_added(one)}, str(path), line)
            except json.JSONDecodeError as error:
                raise UserError(f"not valid JSON: {error.msg}", file=path, line=line) from None
            except (KeyError, IndexError, TypeError, ValueError) as error:
                hint = "Each needs tokens, entity_mentions and event_mentions."
                raise UserError(
                    f"the sentence is broken: {error!r}", file=path, line=line, hint=hint
                ) from None
            self.columns = self.columns or list(row.values)
            yield row
            index += 1

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All sentences, for the task `event`."""
        found = super().splits(path, settings)
        return replace(found, text=("tokens",), label="events", task="event")

    def filled(self, path: Path, settings: DataSettings, rows: Sequence[Row], output: Path) -> str:
        """The sentences with the events found."""
        return write(rows)


def write(rows: Sequence[Row]) -> str:
    """The rows as such a file; what their `events` say as before stays as it is written."""
    return "".join(json.dumps(_with_events(row.values)) + "\n" for row in rows)


def _added(one: Mapping[str, Any]) -> dict[str, Any]:
    text, places = join_words([str(token) for token in one["tokens"]])
    entities = to_characters(
        [Mention(_span(entity, entity["entity_type"], places), ()) for entity in one["entity_mentions"]],
        places,
    )
    spans = [entity.trigger for entity in entities]
    return {
        "entities": [{"start": a, "end": b, "type": kind} for a, b, kind in spans],
        "events": as_objects(to_characters(_events(one, places), places), text),
    }


def _events(one: Mapping[str, Any], places: Sequence[tuple[int, int]]) -> list[Mention]:
    """The events of a sentence by its tokens."""
    entities = {entity["id"]: entity for entity in one["entity_mentions"]}
    return [
        Mention(
            _span(event["trigger"], event["event_type"], places),
            tuple(_span(entities[part["entity_id"]], part["role"], places) for part in event["arguments"]),
        )
        for event in one["event_mentions"]
    ]


def _span(item: Mapping[str, Any], kind: str, places: Sequence[tuple[int, int]]) -> Span:
    if not 0 <= item["start"] < item["end"] <= len(places):
        raise ValueError(f"tokens {item['start']} to {item['end']} are not in the sentence")
    return item["start"], item["end"], str(kind)


def _with_events(values: Mapping[str, Any]) -> dict[str, Any]:
    """The line of a row; new events refer to the entities at their places, or to new ones without a type."""
    one = {key: value for key, value in values.items() if key not in ADDED}
    tokens = [str(token) for token in one["tokens"]]
    _, places = join_words(tokens)
    wanted = list(to_words(read_events(values["events"]) or [], places))
    if wanted == _events(one, places):
        return one
    entities = list(one["entity_mentions"])
    known = {(entity["start"], entity["end"]): entity["id"] for entity in entities}
    name = one.get("sent_id", "")
    events = []
    for number, event in enumerate(wanted):
        arguments = []
        for start, end, role in event.arguments:
            text = " ".join(tokens[start:end])
            if (start, end) not in known:
                known[start, end] = f"{name}-N{len(entities)}"
                new = {"id": known[start, end], "start": start, "end": end, "text": text}
                entities.append({**new, "entity_type": UNKNOWN, "mention_type": UNKNOWN})
            arguments.append({"entity_id": known[start, end], "text": text, "role": role})
        start, end, kind = event.trigger
        trigger = {"start": start, "end": end, "text": " ".join(tokens[start:end])}
        found = {"id": f"{name}-E{number}", "event_type": kind, "trigger": trigger, "arguments": arguments}
        events.append(found)
    return {**one, "entity_mentions": entities, "event_mentions": events}
