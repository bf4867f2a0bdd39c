"""What a page shows of an answer: a text with pieces of it marked, and short notes below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Tone = Literal["type", "right", "wrong"]


class Mark(NamedTuple):
    """Characters `start` to `end` of a text, and what is written behind them.

    `tone` gives the colour: one for each name, or those of what is right and of what is wrong.
    """

    start: int
    end: int
    name: str
    tone: Tone = "type"


@dataclass(frozen=True)
class Shown:
    """One cell of a page: a text, its marks, and notes below it."""

    text: str = ""
    marks: tuple[Mark, ...] = ()
    notes: tuple[str, ...] = ()


def marks_of(spans: Iterable[Mapping[str, Any]]) -> tuple[Mark, ...]:
    """Marks of spans with start, end and type; several types of one place are written together."""
    names: dict[tuple[int, int], list[str]] = {}
    for one in spans:
        found = names.setdefault((one["start"], one["end"]), [])
        if one["type"] not in found:
            found.append(one["type"])
    return tuple(Mark(start, end, ", ".join(found)) for (start, end), found in names.items())


def plain(answer: Any) -> Shown:
    """An answer as a text: a name, a number, or several names."""
    if isinstance(answer, float):
        return Shown(f"{answer:.4g}")
    if isinstance(answer, (list, tuple, set)):
        return Shown(", ".join(map(str, answer)) or "(none)")
    return Shown(str(answer))
