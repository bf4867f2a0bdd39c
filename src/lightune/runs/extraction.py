"""A page of extracted facts: entities coloured over the text, relations and events listed below it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from lightune.runs.page import page, paragraph, section, table

MOST_SHOWN = 300  # texts
TURN = 137  # degrees of hue between one type and the next: neighbours look different


def extraction_page(rows: Sequence[Mapping[str, Any]], *, title: str, number: int) -> str:
    """A whole document that loads nothing; `rows` have text, entities, relations, events.

    Args:
        title: what stands at its head.
        number: texts there are in all; the page says how many of them it shows.
    """
    kinds = sorted({one["type"] for row in rows for one in row.get("entities") or ()})
    hues = {kind: place * TURN % 360 for place, kind in enumerate(kinds)}
    shown = f"The first {len(rows)} of {number} texts." if number > len(rows) else f"{number} texts."
    key = " ".join(_mark(kind, "", hues[kind], "") for kind in kinds)
    parts = [f"<h1>{escape(title)}</h1>", paragraph(shown, "soft"), f"<p>{key}</p>" if key else ""]
    for place, row in enumerate(rows, start=1):
        body = [f"<p>{coloured(row['text'], row.get('entities') or (), hues)}</p>"]
        body += [_relations(row.get("relations") or ()), _events(row.get("events") or ())]
        parts.append(section(f"Text {place}", "", *body))
    return page(title, "".join(parts))


def coloured(text: str, entities: Iterable[Mapping[str, Any]], hues: Mapping[str, int]) -> str:
    """The escaped text, a mark round every entity; one that begins inside another is left out."""
    made, at = "", 0
    for one in sorted(entities, key=lambda entity: (entity["start"], -entity["end"])):
        if one["start"] < at:
            continue
        made += escape(text[at : one["start"]])
        made += _mark(text[one["start"] : one["end"]], one["type"], hues[one["type"]], _sure(one))
        at = one["end"]
    return made + escape(text[at:])


def _mark(text: str, kind: str, hue: int, title: str) -> str:
    """A coloured piece with its type behind it, readable on light and dark paper."""
    style = f"background:hsl({hue} 75% 50% / .25);color:inherit;border-radius:4px;padding:0 3px"
    small = f' <small class="soft">{escape(kind)}</small>' if kind else ""
    about = f' title="{escape(title)}"' if title else ""
    return f'<mark style="{style}"{about}>{escape(text)}{small}</mark>'


def _sure(one: Mapping[str, Any]) -> str:
    probability = one.get("probability")
    return "" if probability is None else f"{float(probability):.2f}"


def _relations(relations: Iterable[Mapping[str, Any]]) -> str:
    rows = [(one["head_text"], one["relation"], one["tail_text"], _sure(one)) for one in relations]
    return table(("head", "relation", "tail", "probability"), rows, numbers=(3,))


def _events(events: Iterable[Mapping[str, Any]]) -> str:
    rows = []
    for one in events:
        roles = "; ".join(f"{part['role']}: {part['text']}" for part in one["arguments"])
        rows.append((one["type"], one["trigger"]["text"], roles, _sure(one["trigger"])))
    return table(("event", "trigger", "arguments", "probability"), rows, numbers=(3,))
