"""Columns of a text and of what is to be written for it: a prompt and its reply, a translation."""

from __future__ import annotations

from collections.abc import Sequence

from lightune.core.rows import Decisions, Table
from lightune.data.columns import Columns, check_column
from lightune.data.names import CLASS_NAMES, PAIRS, TEXTS, is_identifier, language_of, plain
from lightune.data.profile import is_missing, to_number

SOURCES = ("source", "src", "original")
TARGETS = ("target", "tgt", "translation", "translated")
PROMPTS = ("prompt", "instruction", "input")
REPLIES = ("response", "completion", "output", "reply", "chosen")
ASKED = (*PROMPTS, "question", "query", "user", "source", "src", "text")  # once it is known to be a reply
ANSWERED = (*REPLIES, "answer", "assistant", "target", "tgt")
PLAIN_TEXTS = {*TEXTS, *(name for pair in PAIRS for name in pair)} - {*SOURCES}
LOOKED_AT = 200


def find_translation(
    table: Table, text: tuple[str, ...] | None, label: str | None, *, is_asked: bool
) -> Columns | None:
    """Two columns named by languages, or as source and target; None where no names say so.

    Args:
        table: the training rows.
        text: the columns the user chose; None: find them.
        label: the column the user chose; None: find it; "": there is none.
        is_asked: the task is known; without that, a column that is surely a label says that it is not this.
    """
    if not _is_open(table, text, label, is_asked=is_asked):
        return None
    by_language = [name for name in table.columns if language_of(plain(name)) and _is_text(table, name)]
    if len({language_of(plain(name)) for name in by_language}) > 1:
        first = text[0] if text else next(name for name in by_language if name != label)
        others = [name for name in by_language if name != first]
        if others and (label or first in by_language):
            return _columns(table, text or (first,), label or others[0], "named by its language")
    if not is_asked and any(plain(name) in PLAIN_TEXTS for name in table.columns):
        return None  # `source` is where the text comes from
    return _by_names(table, text, label, SOURCES, TARGETS)


def find_reply(
    table: Table, text: tuple[str, ...] | None, label: str | None, *, is_asked: bool
) -> Columns | None:
    """A prompt and its reply by their names, Alpaca's `input` with the instruction; None for none.

    Args: as `find_translation`.
    """
    if not _is_open(table, text, label, is_asked=is_asked):
        return None
    prompts, replies = (ASKED, ANSWERED) if is_asked else (PROMPTS, REPLIES)
    found = _by_names(table, text, label, prompts, replies)
    more = next((name for name in table.columns if plain(name) == "input"), None)
    is_alpaca = found is not None and plain(found.text[0]) == "instruction" and text is None
    if found is None or more is None or not is_alpaca:
        return found
    return _columns(table, (found.text[0], more), found.label or "", "its name")


def _is_open(table: Table, text: tuple[str, ...] | None, label: str | None, *, is_asked: bool) -> bool:
    """Whether there is anything to find out."""
    if not table.rows or label == "" or (text is not None and label is not None):
        return False
    for name in (*(text or ()), label):
        if name:
            check_column(table, name)
    return is_asked or not any(plain(name) in CLASS_NAMES for name in table.columns)


def _by_names(
    table: Table,
    text: tuple[str, ...] | None,
    label: str | None,
    sources: Sequence[str],
    targets: Sequence[str],
) -> Columns | None:
    by_name = {plain(name): name for name in reversed(table.columns) if _is_text(table, name)}
    taken = {label, *(text or ())}
    source = next((by_name[name] for name in sources if by_name.get(name, label) not in taken), None)
    target = next(
        (by_name[name] for name in targets if by_name.get(name, label) not in {*taken, source}), None
    )
    if (source is None and text is None) or (target is None and label is None):
        return None
    return _columns(table, text or (str(source),), label or str(target), "its name")


def _columns(table: Table, text: tuple[str, ...], label: str, why: str) -> Columns:
    reasons = Decisions(list(table.decisions))
    reasons.add("text column" + "s" * (len(text) > 1), " + ".join(text), why)
    reasons.add("label column", label, why)
    return Columns(text, label, reasons)


def _is_text(table: Table, name: str) -> bool:
    """Whether the column holds texts rather than numbers or nothing."""
    if is_identifier(name):
        return False
    values = [row.values.get(name) for row in table.rows[:LOOKED_AT]]
    present = [value for value in values if not is_missing(value)]
    return any(isinstance(value, str) and to_number(value) is None for value in present)
