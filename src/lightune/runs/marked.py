"""A text with its spans in colour, as HTML; one colour a type, the type written behind each span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

HUES = (210, 20, 140, 285, 50, 330, 175, 100)
MARK = "background:hsl({hue} 70% 50% / .25);border-radius:4px;padding:1px 3px"
AROUND = 60  # characters shown before the first span and behind the last of a long text


class Html(str):
    """Text that is HTML already: `table` does not escape it."""


def is_spans(value: Any) -> bool:
    """Whether an answer is a list of spans of a text, of which there may be none."""
    return isinstance(value, (list, tuple)) and all(
        isinstance(one, dict) and {"start", "end", "type"} <= set(one) for one in value
    )


def hues_of(types: Sequence[str]) -> dict[str, int]:
    """A hue for each type, the same for the same set of types."""
    return {kind: HUES[place % len(HUES)] for place, kind in enumerate(sorted(set(types)))}


def marked(text: str, spans: Sequence[Mapping[str, Any]], hues: Mapping[str, int]) -> Html:
    """The text with its spans marked; overlapping ones: the earlier, longer one."""
    parts, behind = [], 0
    for span in sorted(spans, key=lambda one: (one["start"], -one["end"])):
        start, end = span["start"], span["end"]
        if start < behind:
            continue
        style = MARK.format(hue=hues.get(span["type"], HUES[0]))
        name = f'<small class="soft"> {escape(str(span["type"]))}</small>'
        parts += [escape(text[behind:start]), f'<span style="{style}">{escape(text[start:end])}{name}</span>']
        behind = end
    return Html("".join([*parts, escape(text[behind:])]))


def shown_part(text: str, spans: Sequence[Mapping[str, Any]], most: int) -> tuple[int, int]:
    """(start, end) of the part of a long text that is worth showing: round its spans, `most` characters."""
    if len(text) <= most or not spans:
        return 0, min(len(text), most)
    start = max(0, min(span["start"] for span in spans) - AROUND)
    return start, min(len(text), start + most)


def inside(spans: Sequence[Mapping[str, Any]], start: int, end: int) -> list[dict[str, Any]]:
    """The spans that lie in a part of the text, counted from its start."""
    return [
        {**span, "start": span["start"] - start, "end": span["end"] - start}
        for span in spans
        if span["start"] >= start and span["end"] <= end
    ]
