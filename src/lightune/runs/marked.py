"""A text with its marks in colour, as HTML; one colour a name, the name written behind each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape

from lightune.core.shown import Mark

HUES = (210, 20, 140, 285, 50, 330, 175, 100)
TONES = {"right": 140, "wrong": 5}
MARK = (
    "background:hsl({hue} 70% 50% / .25);color:inherit;border-radius:4px;padding:1px 3px;"
    "-webkit-box-decoration-break:clone;box-decoration-break:clone"
)
LINE = ";outline:2px dashed hsl({hue} 70% 45%)"
AROUND = 60  # characters shown before the first mark of a long text


class Html(str):
    """Text that is HTML already: `table` does not escape it."""


def hues_of(types: Sequence[str]) -> dict[str, int]:
    """A hue for each type, the same for the same set of types."""
    return {kind: HUES[place % len(HUES)] for place, kind in enumerate(sorted(set(types)))}


def marked(text: str, marks: Sequence[Mark], hues: Mapping[str, int], odd: Collection[Mark] = ()) -> Html:
    """The text with its marks, a line round those of `odd`; of overlapping ones the earlier, longer one."""
    parts, behind = [], 0
    for one in sorted(marks, key=lambda mark: (mark.start, -mark.end)):
        if one.start < behind:
            continue
        hue = TONES.get(one.tone, hues.get(one.name, HUES[0]))
        style = MARK.format(hue=hue) + (LINE.format(hue=hue) if one in odd else "")
        name = f'<small class="soft"> {escape(one.name)}</small>' if one.name else ""
        inside = escape(text[one.start : one.end])
        parts += [escape(text[behind : one.start]), f'<mark style="{style}">{inside}{name}</mark>']
        behind = one.end
    return Html("".join([*parts, escape(text[behind:])]))


def shown_part(text: str, marks: Sequence[Mark], most: int) -> tuple[int, int]:
    """(start, end) of the part of a long text that is worth showing: round its marks, `most` characters."""
    if len(text) <= most or not marks:
        return 0, min(len(text), most)
    start = max(0, min(one.start for one in marks) - AROUND)
    return start, min(len(text), start + most)


def inside(marks: Sequence[Mark], start: int, end: int) -> list[Mark]:
    """The marks that lie in a part of the text, counted from its start; one that sticks out is cut."""
    return [
        one._replace(start=max(one.start, start) - start, end=min(one.end, end) - start)
        for one in marks
        if one.start < end and one.end > start
    ]


def snippet(text: str, marks: Sequence[Mark], most: int, hues: Mapping[str, int]) -> Html:
    """The part of a text round its marks, with these."""
    start, end = shown_part(text, marks, most)
    found = marked(text[start:end], inside(marks, start, end), hues)
    return Html(("…" if start else "") + found + ("…" if end < len(text) else ""))
