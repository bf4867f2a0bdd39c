"""The options of a multiple-choice row, however its columns are called, and which of them is right."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

LISTS = ("options", "choices", "endings", "candidates", "选项")
NUMBERED = re.compile(r"(?:option|choice|ending|sol|solution|answer)[_ ]?([0-9]|[a-h])", re.IGNORECASE)
LETTERS = "ABCDEFGH"


def options_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The options in order: a list (also as JSON), the hub's {text: [...]}, or columns such as `ending0`."""
    for name in LISTS:
        found = values.get(name)
        if isinstance(found, str) and found.lstrip()[:1] in ("[", "{"):
            try:
                found = json.loads(found)
            except ValueError:
                continue
        if isinstance(found, dict):
            found = found.get("text")
        if isinstance(found, (list, tuple)) and len(found) > 1:
            return tuple(str(one.get("text", one)) if isinstance(one, dict) else str(one) for one in found)
    numbered = sorted((match[1].lower(), name) for name in values if (match := NUMBERED.fullmatch(name)))
    kept = [str(values[name]) for _, name in numbered if values[name] not in (None, "")]
    return tuple(kept) if len(kept) > 1 else ()


def keys_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """What the right one may be called: the hub's {label: [...]}, or the names of numbered columns."""
    for name in LISTS:
        found = values.get(name)
        if isinstance(found, dict) and isinstance(found.get("label"), (list, tuple)):
            return tuple(str(one) for one in found["label"])
    return tuple(sorted(match[1].lower() for name in values if (match := NUMBERED.fullmatch(name))))


def first_number(labels: Collection[str]) -> int:
    """Where the labels of a whole column count from: 1 where they are numbers without 0 (WinoGrande)."""
    return int(bool(labels) and all(label.isdigit() for label in labels) and "0" not in labels)


def place_of(gold: Any, values: Mapping[str, Any], *, first: int = 0) -> int | None:
    """The number of the right option, from 0; None: it is none of them.

    Args:
        gold: a number (from `first`), a letter, a key of the options, or the option itself.
    """
    options, said = options_of(values), str(gold).strip()
    if said in options:
        return options.index(said)
    if said.isdigit():
        place = int(said) - first
        return place if 0 <= place < len(options) else None
    for names in (keys_of(values), tuple(LETTERS[: len(options)])):
        folded = [name.upper() for name in names]
        if said.upper() in folded:
            return folded.index(said.upper())
    return None
