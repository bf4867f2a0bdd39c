"""A text read once more for each trigger of an event: the type's name in front, the trigger in `[ ]`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lightune.core.marking import Enclosed, enclose, plain_type
from lightune.core.rows import Example
from lightune.core.spans import Span, split_words

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Asked:
    """Takes the place of gold events: the roles of these triggers, by words, are asked for."""

    triggers: tuple[Span, ...]


def readings_of(example: Example) -> list[tuple[Example, Flags]]:
    """The readings of a text, and which of the words of each are those of the text itself."""
    if isinstance(example.gold, Asked):
        return [_about(example, trigger) for trigger in example.gold.triggers]
    known = [_about(example, one.trigger) for one in example.gold or ()]
    return [(example, np.ones(len(example.words), dtype=bool)), *known]


def _about(example: Example, trigger: Span) -> tuple[Example, Flags]:
    """(the text that asks for the roles of a trigger, which of its words are those of the text itself)."""
    first, behind, kind = trigger
    start, end = example.words[first][0], example.words[behind - 1][1]
    question = f"{plain_type(kind)} : "
    marked, ((opens, closes),) = enclose(example.texts[0], [Enclosed(start, end, "[ ", " ]")])
    signs = [*split_words(question), (len(question) + opens, len(question) + opens + 1)]
    signs.append((len(question) + closes - 1, len(question) + closes))

    def shift(place: int, *, is_end: bool) -> int:
        passed = sum(place > cut or (place == cut and not is_end) for cut in (start, end))
        return place + len(question) + 2 * passed

    own = [(shift(one, is_end=False), shift(other, is_end=True)) for one, other in example.words]
    words = sorted([*((place, False) for place in signs), *((place, True) for place in own)])
    made = replace(example, texts=(question + marked,), words=tuple(place for place, _ in words), gold=None)
    return made, np.array([is_own for _, is_own in words], dtype=bool)
