"""The section of the worst mistakes: each task's own cells, marked in colour where the two answers differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lightune.core.shown import Mark, Shown
from lightune.runs.charts import shorten
from lightune.runs.marked import Html, hues_of, inside, marked, shown_part
from lightune.runs.page import section, table

MOST_MISTAKES = 30
MOST_TEXT = 600  # characters of a cell
MOST_MARKED_TEXT = 300
MANY_NAMES = 12  # from here on only the marks that differ are shown
PLAIN = (
    "The held-out rows it got most wrong. Look for wrong labels in the data first: they often come to "
    "the top here. Rows are counted from 0."
)
OUTLINED = " What only one of the two answers has is outlined."

Row = Mapping[str, Any]


def worst_mistakes(mistakes: Sequence[Row]) -> str:
    """The section; empty without mistakes.

    Args:
        mistakes: worst first, each with row, probability, and cells (what stands above one -> `Shown`).
    """
    shown = mistakes[:MOST_MISTAKES]
    header = list(dict.fromkeys(name for one in shown for name in one["cells"]))
    names = {mark.name for one in shown for cell in one["cells"].values() for mark in cell.marks}
    hues = hues_of(list(names))
    is_sure = any(_is_number(one.get("probability")) for one in shown)
    rows = []
    for one in shown:
        cells = _row(one["cells"], hues)
        sure = [f"{one['probability']:.0%}" if _is_number(one.get("probability")) else ""] if is_sure else []
        rows.append((one.get("row", ""), *(cells.get(name, "") for name in header), *sure))
    texts = [place for place, name in enumerate(header, start=1) if _is_wide(shown, name)]
    is_outlined = any(_differing(list(one["cells"].values())) for one in shown)
    whole = table(
        ("Row", *header, *(("How sure",) if is_sure else ())),
        rows,
        numbers=(0, 1 + len(header)),
        texts=texts,
    )
    return section("Worst mistakes", PLAIN + (OUTLINED if is_outlined else ""), whole)


def _row(cells: Mapping[str, Shown], hues: Mapping[str, int]) -> dict[str, Html]:
    """The cells as HTML; those with the same text show the same part of it."""
    odd = _differing(list(cells.values()))
    kept = {
        name: tuple(mark for mark in cell.marks if mark in odd) if len(hues) > MANY_NAMES else cell.marks
        for name, cell in cells.items()
    }
    found = {}
    for name, cell in cells.items():
        same = [mark for other, one in cells.items() if one.text == cell.text for mark in kept[other]]
        found[name] = _cell(cell, kept[name], same, hues, odd)
    return found


def _cell(
    cell: Shown, marks: Sequence[Mark], around: Sequence[Mark], hues: Mapping[str, int], odd: set[Mark]
) -> Html:
    """One cell: its text, a long one only round the marks `around`, and its notes."""
    if not around:
        text = escape(shorten(cell.text, MOST_TEXT))
    else:
        start, end = _part(cell.text, marks, around)
        lines = {one for mark in odd for one in inside([mark], start, end)}
        text = marked(cell.text[start:end], inside(marks, start, end), hues, lines)
        text = ("…" if start else "") + text + ("…" if end < len(cell.text) else "")
    notes = "".join(
        f'<br><small class="soft">{escape(shorten(one, MOST_TEXT))}</small>' for one in cell.notes
    )
    return Html(text.replace("\n", "<br>") + notes)


def _part(text: str, marks: Sequence[Mark], around: Sequence[Mark]) -> tuple[int, int]:
    """The part that shows the marks of all cells of this text, or of this cell where that is too much."""
    start, end = shown_part(text, around, MOST_MARKED_TEXT)
    if marks and any(one.end > end for one in marks):
        return shown_part(text, marks, MOST_MARKED_TEXT)
    return start, end


def _differing(cells: Sequence[Shown]) -> set[Mark]:
    """The marks that not all of several marked cells with one text have; none where only one has any."""
    found: set[Mark] = set()
    for cell in cells:
        others = [one for one in cells if one is not cell and one.text == cell.text]
        found |= {
            mark for mark in cell.marks if mark.tone == "type" for one in others if mark not in one.marks
        }
    return found


def _is_wide(mistakes: Sequence[Row], name: str) -> bool:
    """Whether a column holds sentences."""
    return any(len(one["cells"][name].text) > 60 for one in mistakes if name in one["cells"])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
