"""The baseline of events: each word's own commonest event type, and its commonest role in such an event."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from lightune.core.events import Mention
from lightune.core.spans import OUTSIDE, Span, spans_of, to_iob2
from lightune.history.base import Baseline, Texts

Counts = defaultdict[Any, Counter[str]]


class TriggerWords(Baseline):
    """Knows words by heart, lower case: as triggers, and as arguments of events of a type."""

    name = "trigger_words"
    summary = "each word's commonest event type and role"
    kinds = frozenset({"events"})
    cost = 0.1
    is_quick = True

    def fit(self, texts: Texts, gold: Sequence[Any]) -> TriggerWords:
        """Count how often each word was in which trigger, and in which role of which type, or in none."""
        triggers: Counts = defaultdict(Counter)
        roles: Counts = defaultdict(Counter)
        for words, events in zip(texts, gold, strict=True):
            _count(triggers, words, [one.trigger for one in events], "")
            for one in events:
                _count(roles, words, list(one.arguments), one.trigger[2])
        self.triggers = {key: found.most_common(1)[0][0] for key, found in triggers.items()}
        self.roles = {key: found.most_common(1)[0][0] for key, found in roles.items()}
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """The events of each text, by words."""
        return [
            tuple(
                Mention(trigger, tuple(_known(self.roles, words, trigger[2])))
                for trigger in _known(self.triggers, words, "")
            )
            for words in texts
        ]


def _count(counts: Counts, words: Sequence[str], spans: list[Span], group: str) -> None:
    for word, tag in zip(words, to_iob2(spans, len(words)), strict=True):
        counts[(group, word.lower())][tag] += 1


def _known(answers: dict[Any, str], words: Sequence[str], group: str) -> list[Span]:
    return spans_of([answers.get((group, word.lower()), OUTSIDE) for word in words])
