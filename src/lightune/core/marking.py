"""Pieces of a text marked by plain words and signs, so that a model needs no new tokens.

Two entities: `@ * person * Ada @ was born in # ^ city ^ London #`, the typed entity marker (punct) of
Zhou and Chen 2022 (arXiv:2102.01373). SemEval's own way to write the same is `<e1>Ada</e1> ...
<e2>London</e2>`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lightune.core.spans import ENDS, STARTS, TYPES

MARKED_TYPE = re.compile(r"[@#] [*^] (.+?) [*^] ")
TAGGED = re.compile(r"</?e[12]>")


class Entity(NamedTuple):
    """Characters `start` to `end` of a text; `kind` and `text` are "" where they are not said."""

    start: int
    end: int
    kind: str = ""
    text: str = ""


class Enclosed(NamedTuple):
    """A piece of a text and what is written before and behind it."""

    start: int
    end: int
    before: str
    behind: str


def read_entity(value: Any) -> Entity | None:
    """An entity from `{"start": 0, "end": 3, "type": "PER"}`, `[0, 3, "PER"]` or that as JSON text."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if isinstance(value, Mapping):
        start, end, kind = (
            next((value[name] for name in names if value.get(name) is not None), None)
            for names in (STARTS, ENDS, TYPES)
        )
        said = str(value.get("text") or "")
    elif isinstance(value, (list, tuple)) and len(value) in {2, 3}:
        start, end, kind, said = value[0], value[1], (value[2] if len(value) == 3 else None), ""
    else:
        return None
    if any(isinstance(one, bool) or not isinstance(one, int) for one in (start, end)):
        return None
    return Entity(start, end, "" if kind is None else str(kind), said)  # type: ignore[arg-type]


def pair_of(values: Mapping[str, Any], text: str) -> tuple[str, Entity, Entity]:
    """(text, head, tail) of a row: its columns `head` and `tail`, else the `<e1>` and `<e2>` of its text.

    Raises:
        ValueError: what is wrong, in words.
    """
    if values.get("head") is None and values.get("tail") is None:
        found = untag_pair(text)
        if found is None:
            raise ValueError("there are no columns head and tail, and no <e1> and <e2> in the text")
        return found
    pair = []
    for name in ("head", "tail"):
        one = read_entity(values.get(name))
        if one is None:
            raise ValueError(f"{name} is {str(values.get(name))[:40]!r}, which is no place in the text")
        if not 0 <= one.start < one.end <= len(text):
            place = f"{one.start} to {one.end}"
            raise ValueError(f"{name} from {place} does not lie in the text ({len(text)} characters)")
        pair.append(one)
    return text, pair[0], pair[1]


def untag_pair(tagged: str) -> tuple[str, Entity, Entity] | None:
    """The text without `<e1>` and `<e2>`, and where they stood; None when one is not there once."""
    text, at, places = "", 0, dict[str, int]()
    for found in TAGGED.finditer(tagged):
        text += tagged[at : found.start()]
        at = found.end()
        if found.group() in places:
            return None
        places[found.group()] = len(text)
    text += tagged[at:]
    if len(places) != 4:
        return None
    head, tail = (Entity(places[f"<{one}>"], places[f"</{one}>"]) for one in ("e1", "e2"))
    return (text, head, tail) if head.start < head.end and tail.start < tail.end else None


def tag_pair(text: str, head: Entity, tail: Entity) -> str:
    """The text with `<e1>` round the head and `<e2>` round the tail."""
    pieces = [
        Enclosed(one.start, one.end, f"<{name}>", f"</{name}>") for one, name in ((head, "e1"), (tail, "e2"))
    ]
    return enclose(text, pieces)[0]


def mark_pair(text: str, head: Entity, tail: Entity) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The text with both entities marked, and where head and tail stand in it, marks included."""
    pieces = []
    for one, outer, inner in ((head, "@", "*"), (tail, "#", "^")):
        kind = plain_type(one.kind)
        typed = f"{inner} {kind} {inner} " if kind else ""
        pieces.append(Enclosed(one.start, one.end, f"{outer} {typed}", f" {outer}"))
    return enclose(text, pieces)


def plain_type(kind: str) -> str:
    """A type as words: `STATE_OR_PROVINCE` is `state or province`."""
    return " ".join(kind.replace("_", " ").lower().split())


def types_in(marked: str, places: Sequence[tuple[int, int]]) -> list[str]:
    """The types that `mark_pair` wrote."""
    found = [MARKED_TYPE.match(marked, start) for start, _ in places]
    return [one[1] for one in found if one]


def marks_in(marked: str, places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """(start, end) of what `mark_pair` wrote into a text."""
    cuts = []
    for start, end in places:
        typed = MARKED_TYPE.match(marked, start)
        cuts += [(start, typed.end() if typed else start + 2), (end - 2, end)]
    return cuts


def unmark_pair(marked: str, places: Sequence[tuple[int, int]]) -> tuple[str, Entity, Entity]:
    """The reverse of `mark_pair`."""
    typed = [MARKED_TYPE.match(marked, start) for start, _ in places]
    kinds, cuts = [one[1] if one else "" for one in typed], marks_in(marked, places)
    kept = [not any(first <= place < last for first, last in cuts) for place in range(len(marked))]
    head, tail = (
        Entity(sum(kept[:start]), sum(kept[:end]), kind)
        for (start, end), kind in zip(places, kinds, strict=True)
    )
    return "".join(letter for letter, stays in zip(marked, kept, strict=True) if stays), head, tail


def enclose(text: str, pieces: Sequence[Enclosed]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The text with something written round some pieces, and their new places, what is round them included.

    Pieces may lie in each other; at one place ends come before beginnings, and outer ones are outside.
    """
    cuts = []
    for number, one in enumerate(pieces):
        cuts.append((one.start, 1, -one.end, number, one.before))
        cuts.append((one.end, 0, -one.start, -number, one.behind))
    made, at, places = "", 0, [[0, 0] for _ in pieces]
    for place, is_before, _, number, mark in sorted(cuts):
        made += text[at:place]
        at = place
        if is_before:
            places[number][0] = len(made)
        made += mark
        if not is_before:
            places[-number][1] = len(made)
    return made + text[at:], tuple((start, end) for start, end in places)
