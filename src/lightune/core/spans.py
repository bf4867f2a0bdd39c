"""Spans of a text and tags of its words: one form for what ten file formats say differently.

A span is (start, end, type): characters of the text, or words where tags are read. The schemes IOB1, IOB2,
BIOES, BILOU and BMES are read alike, as CoNLL's scorer reads them (Ramshaw and Marcus 1995; Ratinov and
Roth 2009).
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

Span = tuple[int, int, str]
OUTSIDE = "O"
NO_TYPE = "_"
PREFIXES = frozenset("BIESMLU")
OPENS, CLOSES = frozenset("BSU"), frozenset("ESLU")
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{CJK}]|\d+|(?:(?![{CJK}])[^\W\d_])+|[^\w\s]|_")
STARTS = ("start", "start_offset", "begin", "start_char")
ENDS = ("end", "end_offset", "end_char")
TYPES = ("label", "type", "entity", "entity_group", "tag", "labels", "entity_type")


def split_words(text: str) -> tuple[tuple[int, int], ...]:
    """(start, end) of runs of letters, runs of digits, each other visible character; CJK stand alone."""
    return tuple(found.span() for found in WORD.finditer(text))


def parse_tag(tag: str) -> tuple[str, str]:
    """(prefix, type) of a tag: `B-PER` is B and PER, `O` is O and nothing, a bare `B` has the type `_`."""
    if tag in PREFIXES:
        return tag, NO_TYPE
    if len(tag) > 2 and tag[0] in PREFIXES and tag[1] in "-_":
        return tag[0], tag[2:]
    return OUTSIDE, ""


def is_scheme(tags: Iterable[str]) -> bool:
    """Whether all of these tags are of a scheme for spans."""
    found = set(tags)
    return bool(found - {OUTSIDE}) and all(tag == OUTSIDE or parse_tag(tag)[0] != OUTSIDE for tag in found)


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The spans that the tags of a sentence mark, in words: (first, behind the last, type)."""
    found: list[Span] = []
    start, kind = -1, ""
    for place, tag in enumerate(tags):
        prefix, own = parse_tag(tag)
        if start >= 0 and (prefix == OUTSIDE or prefix in OPENS or own != kind):
            found.append((start, place, kind))
            start = -1
        if prefix == OUTSIDE:
            continue
        if start < 0:
            start, kind = place, own
        if prefix in CLOSES:
            found.append((start, place + 1, kind))
            start = -1
    if start >= 0:
        found.append((start, len(tags), kind))
    return found


def to_iob2(spans: Iterable[Span], length: int) -> list[str]:
    """IOB2 tags of `length` words; of spans that overlap the earlier, longer one stays."""
    tags = [OUTSIDE] * length
    for start, end, kind in sorted(spans, key=lambda one: (one[0], -one[1])):
        if all(tag == OUTSIDE for tag in tags[start:end]):
            tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tags


def breaks_scheme(tags: Sequence[str]) -> str:
    """The first place where IOB2 or BIOES tags contradict themselves, in words; "" for none."""
    before = (OUTSIDE, "")
    for place, tag in enumerate(tags):
        prefix, kind = parse_tag(tag)
        goes_on = before[0] in "BIM" and before[0] != OUTSIDE and before[1] == kind
        if prefix in "IMEL" and prefix != OUTSIDE and not goes_on:
            return f"{tag} of word {place + 1} goes on with nothing"
        before = prefix, kind
    return ""


def read_span(item: Any) -> Span | None:
    """(start, end, type) of one entry of a list of spans, whatever its keys are called; None: it is none."""
    if isinstance(item, dict):
        if isinstance(item.get("value"), dict):
            item = item["value"]  # Label Studio
        start, end, kind = (
            next((item[name] for name in names if name in item), None) for names in (STARTS, ENDS, TYPES)
        )
        kind = kind[0] if isinstance(kind, list) and kind else kind
    elif isinstance(item, (list, tuple)) and len(item) == 3:
        start, end, kind = item
    else:
        return None
    if isinstance(start, bool) or not isinstance(start, int) or not isinstance(end, int) or kind is None:
        return None
    return start, end, str(kind)


def read_spans(value: Any) -> list[Span] | None:
    """The spans of a cell: a list of them, also as JSON text; None when it is something else."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        import json

        try:
            value = json.loads(value)
        except ValueError:
            return None
    if not isinstance(value, (list, tuple)):
        return None
    found = [read_span(item) for item in value]
    return None if None in found else [one for one in found if one is not None]


def join_words(words: Sequence[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """One text from words, and where each stands in it: no blank between two CJK characters."""
    text, places = "", []
    for word in words:
        if text and not (_is_cjk(text[-1]) and word and _is_cjk(word[0])):
            text += " "
        places.append((len(text), len(text) + len(word)))
        text += word
    return text, tuple(places)


def _is_cjk(character: str) -> bool:
    return bool(re.match(rf"[{CJK}\u3000-\u303f\uff00-\uffef]", character))


def words_and_tags(text: str, spans: Sequence[Span]) -> tuple[tuple[tuple[int, int], ...], list[str]]:
    """Words of a text, cut at the ends of its spans too so that each span is whole words; IOB2 tags."""
    cuts = {cut for start, end, _ in spans for cut in (start, end)}
    words: list[tuple[int, int]] = []
    for start, end in split_words(text):
        places = [start, *sorted(cut for cut in cuts if start < cut < end), end]
        words += list(itertools.pairwise(places))
    inside = []
    for start, end, kind in spans:
        held = [number for number, (a, b) in enumerate(words) if a >= start and b <= end]
        if held:
            inside.append((held[0], held[-1] + 1, kind))
    return tuple(words), to_iob2(inside, len(words))


def read_answers(value: Any, context: str) -> list[tuple[int, str]]:
    """(start, text) of the answers of a cell; a start of -1: the text stands nowhere in the context.

    A string, a list of strings, SQuAD's list of {text, answer_start}, MRQA's {text, char_spans}, or the hub's
    {text: [...], answer_start: [...]}.
    """
    if isinstance(value, str) and value.lstrip()[:1] in "[{" and value.strip():
        import json

        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, dict):
        starts = value.get("answer_start") or [None] * len(value.get("text", ()))
        value = [
            {"text": text, "answer_start": at} for text, at in zip(value.get("text", ()), starts, strict=True)
        ]
    found = []
    for item in [value] if isinstance(value, str) else value or ():
        if isinstance(item, dict):
            text = str(item.get("text", ""))
            spans = item.get("char_spans") or [[item.get("answer_start"), None]]
            start = spans[0][0]
        else:
            text, start = str(item), None
        if text:
            found.append((context.find(text) if start is None else int(start), text))
    return found
