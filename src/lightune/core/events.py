"""Events of a text: a trigger with a type, and arguments with roles; read from what JSON files say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lightune.core.shown import Shown, marks_of
from lightune.core.spans import ENDS, STARTS, Span

KINDS = ("type", "event_type", "label")
ROLES = ("role", "label", "type")


class Mention(NamedTuple):
    """One event: `trigger` is (start, end, event type), each of `arguments` (start, end, role)."""

    trigger: Span
    arguments: tuple[Span, ...]


def read_event(item: Any) -> Mention | None:
    """The event that one entry of a list is, whatever its keys are called; None: it is none.

    `{"type": "Move", "trigger": {"start": 4, "end": 9}, "arguments": [{"start": 0, "end": 3, "role": "A"}]}`.
    """
    if not isinstance(item, Mapping) or not isinstance(item.get("trigger"), Mapping):
        return None
    kind = _first(item, KINDS)
    trigger = _place(
        {**item["trigger"], "kind": kind if kind is not None else _first(item["trigger"], KINDS)}
    )
    listed = item.get("arguments") or ()
    if not isinstance(listed, (list, tuple)) or not all(isinstance(one, Mapping) for one in listed):
        return None
    arguments = [_place({**one, "kind": _first(one, ROLES)}) for one in listed]
    if trigger is None or None in arguments:
        return None
    return Mention(trigger, tuple(one for one in arguments if one is not None))


def read_events(value: Any) -> list[Mention] | None:
    """The events of a cell: a list of them, also as JSON text; None when it is something else."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if not isinstance(value, (list, tuple)):
        return None
    found = [read_event(item) for item in value]
    return None if None in found else [one for one in found if one is not None]


def as_objects(events: Sequence[Mention], text: str) -> list[dict[str, Any]]:
    """Events by characters of `text` as JSON values."""

    def place(span: Span) -> dict[str, Any]:
        return {"start": span[0], "end": span[1], "text": text[span[0] : span[1]]}

    return [
        {
            "type": one.trigger[2],
            "trigger": place(one.trigger),
            "arguments": [{**place(span), "role": span[2]} for span in one.arguments],
        }
        for one in events
    ]


def to_words(events: Sequence[Mention], words: Sequence[tuple[int, int]]) -> tuple[Mention, ...]:
    """Events by words instead of characters; what touches no word is left out, with its event a trigger."""

    def place(span: Span) -> Span | None:
        held = [number for number, (start, end) in enumerate(words) if start < span[1] and end > span[0]]
        return (held[0], held[-1] + 1, span[2]) if held else None

    found = []
    for one in events:
        trigger, arguments = place(one.trigger), [place(span) for span in one.arguments]
        if trigger is not None:
            found.append(Mention(trigger, tuple(span for span in arguments if span is not None)))
    return tuple(found)


def to_characters(events: Sequence[Mention], words: Sequence[tuple[int, int]]) -> list[Mention]:
    """The reverse of `to_words`."""

    def place(span: Span) -> Span:
        return words[span[0]][0], words[span[1] - 1][1], span[2]

    return [Mention(place(one.trigger), tuple(map(place, one.arguments))) for one in events]


def as_sets(events: Sequence[Mention]) -> tuple[frozenset[Span], frozenset[tuple[int, int, str, str]]]:
    """(triggers, arguments with the type of their event)."""
    arguments = {(*span, one.trigger[2]) for one in events for span in one.arguments}
    return frozenset(one.trigger for one in events), frozenset(arguments)


def shown_events(events: Sequence[Mapping[str, Any]], text: str) -> Shown:
    """A text with the triggers and arguments of events (as `as_objects` gives them), each event below it."""
    spans = [{**one["trigger"], "type": one["type"]} for one in events]
    spans += [{**part, "type": part["role"]} for one in events for part in one["arguments"]]
    notes = []
    for one in events:
        roles: dict[str, list[str]] = {}
        for part in one["arguments"]:
            roles.setdefault(part["role"], []).append(text[part["start"] : part["end"]])
        named = [f"{role}: {', '.join(said)}" for role, said in roles.items()]
        trigger = text[one["trigger"]["start"] : one["trigger"]["end"]]
        notes.append("; ".join([f"{one['type']}: {trigger}", *named]))
    return Shown(text, marks_of(spans), tuple(notes) or ("no event",))


def _first(item: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _place(item: Mapping[str, Any]) -> Span | None:
    start, end, kind = _first(item, STARTS), _first(item, ENDS), item["kind"]
    if kind is None or any(isinstance(one, bool) or not isinstance(one, int) for one in (start, end)):
        return None
    return start, end, str(kind)
