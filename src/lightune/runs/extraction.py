"""A page of extracted facts: entities in colour over the text, below it relations and events in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lightune.core.shown import Mark, marks_of
from lightune.runs.marked import Html, hues_of, marked, snippet
from lightune.runs.page import page, paragraph, section, table

MOST_SHOWN = 300  # texts
MOST_TEXT = 160  # characters round a relation or an event

Row = Mapping[str, Any]


def extraction_page(rows: Sequence[Row], *, title: str, number: int) -> str:
    """A whole document that loads nothing; `rows` have text, entities, relations, events.

    Args:
        title: what stands at its head.
        number: texts there are in all; the page says how many of them it shows.
    """
    kinds = sorted({one["type"] for row in rows for one in row.get("entities") or ()})
    hues = hues_of(kinds)
    shown = f"The first {len(rows)} of {number} texts." if number > len(rows) else f"{number} texts."
    key = " ".join(marked(kind, [Mark(0, len(kind), "")], {"": hues[kind]}) for kind in kinds)
    parts = [f"<h1>{escape(title)}</h1>", paragraph(shown, "soft"), f"<p>{key}</p>" if key else ""]
    for place, row in enumerate(rows, start=1):
        whole = marked(row["text"], marks_of(row.get("entities") or ()), hues)
        body = [f"<p>{Html(whole.replace(chr(10), '<br>'))}</p>", _relations(row), _events(row)]
        parts.append(section(f"Text {place}", "", *body))
    return page(title, "".join(parts))


def _relations(row: Row) -> str:
    """Each relation with its two entities marked in the text."""
    found = []
    for one in row.get("relations") or ():
        pair = [(row["entities"][one[side]], side) for side in ("head", "tail")]
        marks = [Mark(entity["start"], entity["end"], side) for entity, side in pair]
        cell = snippet(row["text"], marks, MOST_TEXT, hues_of(["head", "tail"]))
        found.append((one["relation"], one["head_text"], one["tail_text"], cell, _sure(one)))
    header = ("Relation", "Head", "Tail", "In the text", "How sure")
    return table(header, found, numbers=(4,), texts=(3,))


def _events(row: Row) -> str:
    """Each event with its trigger and arguments marked in the text."""
    found = []
    for one in row.get("events") or ():
        spans = [{**part, "type": part["role"]} for part in one["arguments"]]
        trigger = Mark(one["trigger"]["start"], one["trigger"]["end"], one["type"])
        marks = [trigger, *marks_of(spans)]
        roles = "; ".join(f"{part['role']}: {part['text']}" for part in one["arguments"])
        cell = snippet(row["text"], marks, MOST_TEXT, hues_of([mark.name for mark in marks]))
        found.append((one["type"], one["trigger"]["text"], roles, cell, _sure(one["trigger"])))
    header = ("Event", "Trigger", "Arguments", "In the text", "How sure")
    return table(header, found, numbers=(4,), texts=(3,))


def _sure(one: Mapping[str, Any]) -> str:
    probability = one.get("probability")
    return "" if probability is None else f"{float(probability):.0%}"
