"""Where the sentences of a text begin and end: by punctuation and line breaks, without a model."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What may end a sentence: a Latin mark with a blank behind it, a CJK mark, a line break.
BREAK = re.compile(
    r"[.!?\u2026]+[\"'\u201d\u2019)\]]*(?=\s)|[\u3002\uff01\uff1f\uff1b]+[\u201d\u2019\u300d\u300f\uff09]*|\n+"
)
ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Gen|Col|Sen|Rep|Gov|Capt|Lt|vs|etc|e\.g|i\.e|Inc|Ltd|Co|Corp|No|"
    r"Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)|\b[A-Z])\.$"
)


def split_sentences(text: str, whole: Iterable[tuple[int, int]] = ()) -> list[tuple[int, int]]:
    """(start, end) in characters of each sentence, blanks round it left out; none of `whole` is cut."""
    kept, found, start = list(whole), list[tuple[int, int]](), 0
    for mark in BREAK.finditer(text):
        end = mark.end()
        behind = text[end:].lstrip()[:1]
        is_inside = any(first < end < last for first, last in kept)
        is_short = (
            mark.group().startswith(".") and ABBREVIATION.search(text[max(0, end - 8) : end]) is not None
        )
        if is_inside or (is_short and mark.group() == ".") or (mark.group()[0] == "." and behind.islower()):
            continue
        found.append((start, end))
        start = end
    found.append((start, len(text)))
    trimmed = []
    for first, last in found:
        piece = text[first:last]
        if piece.strip():
            trimmed.append((first + len(piece) - len(piece.lstrip()), first + len(piece.rstrip())))
    return trimmed
