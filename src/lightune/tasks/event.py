"""Events of a text: triggers with a type, and who and what takes part in which role.

One network and one set of tags, read twice: first the sentence, whose words are tagged with triggers; then,
for each trigger, the sentence with the type's name in front and the trigger in `[ ]`, whose words are tagged
with roles (a pipeline as in Du and Cardie 2020, arXiv:2004.13625, by tags instead of questions). Training
reads the gold triggers, every measurement and prediction those that were found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune.backbones.encode import Encoded, Limits
from lightune.backbones.encode_words import encode_words
from lightune.core.errors import UserError
from lightune.core.events import (
    Mention,
    as_objects,
    as_sets,
    read_events,
    shown_events,
    to_characters,
    to_words,
)
from lightune.core.readings import Asked, readings_of
from lightune.core.rows import Example, Row
from lightune.core.shown import Shown
from lightune.core.spans import (
    OUTSIDE,
    Span,
    join_words,
    parse_tag,
    spans_of,
    split_words,
    to_iob2,
    words_and_tags,
)
from lightune.core.tokens import Batch, Ints, Tokens
from lightune.data.profile import is_missing
from lightune.evaluate.events import MEANINGS, event_counts, event_intervals, event_metrics
from lightune.tasks.base import CERTAIN, Array, Intervals, Prediction, Task, by_example, softmax
from lightune.tasks.tag import best_tags

if TYPE_CHECKING:
    import torch

    from lightune.data.profile import LabelProfile

TRIGGER, ROLE = "trigger:", "role:"  # how the types of the tags begin
UNSEEN = -1  # the number of a tag that training did not have
MOST_TRIGGERS = 12  # of a text: an untrained network finds one at every word
NEVER = -1e4  # the logit of a tag that cannot be
FORM = (
    '[{"type": "Move", "trigger": {"start": 4, "end": 9}, '
    '"arguments": [{"start": 0, "end": 3, "role": "Who"}]}]'
)


@dataclass(frozen=True)
class Gold:
    """The gold answer of one text.

    Attributes:
        tags: (1 + G, W) numbers of the tags of its W words: triggers, then roles for each of its G events.
        triggers: (first word, behind the last, type) of each.
        arguments: (first, behind, role, event type), as ACE counts them (Li et al. 2013).
    """

    tags: Array
    triggers: frozenset[Span]
    arguments: frozenset[tuple[int, int, str, str]]


class Event(Task):
    """Triggers, their types, and arguments with roles."""

    name = "event"
    points_into_text = True
    summary = "events: triggers with a type, arguments with roles"
    kind = "events"
    auto_class = "AutoModelForTokenClassification"
    peft_type = "TOKEN_CLS"
    is_per_token = True
    has_second_round = True
    added = ("events",)
    best_by = "f1"
    meanings = MEANINGS
    precedence = 20

    def __init__(self) -> None:
        super().__init__()
        self.roles: dict[str, tuple[str, ...]] = {}

    @classmethod
    def recognises(cls, profile: LabelProfile, num_texts: int) -> str:
        """Lists of triggers with arguments."""
        if profile.form == "events" and num_texts == 1:
            return f"triggers with arguments, {len(profile.distinct)} types of events"
        return ""

    def gold(self, row: Row, label: str, profile: LabelProfile) -> Any:
        """The events as the row has them."""
        value = row.values.get(label)
        return None if is_missing(value) else value

    def row_to_example(self, row: Row, text: tuple[str, ...], gold: Any) -> Example:
        """Words and their places; `gold` becomes events by words.

        Raises:
            UserError: what should be events is something else, or lies outside the text.
        """
        value = row.values.get(text[0])
        events = None if gold is None else read_events(gold)
        if gold is not None and events is None:
            problem = f"{str(gold)[:40]!r} is no list of events"
            raise UserError(
                problem, file=row.file, line=row.line, hint=f"A text needs events such as {FORM}."
            )
        if isinstance(value, (list, tuple)):
            whole, words = join_words([str(word) for word in value])
        else:
            whole = "" if value is None else str(value)
            spans = [span for one in events or () for span in (one.trigger, *one.arguments)]
            words = words_and_tags(whole, spans)[0] if spans else split_words(whole)
        for one in events or ():
            for start, end, kind in (one.trigger, *one.arguments):
                if not 0 <= start < end <= len(whole):
                    problem = (
                        f"the {kind} from {start} to {end} does not lie in the text ({len(whole)} characters)"
                    )
                    raise UserError(problem, file=row.file, line=row.line)
        known = None if events is None else to_words(events, words)
        return Example((whole,), known, row.index, row.file, row.line, words)

    def learn(self, examples: Sequence[Example]) -> None:
        """`O`, the types of events, then the roles, each in alphabetical order; which type has which roles.

        Raises:
            UserError: there is no event at all.
        """
        roles: dict[str, set[str]] = {}
        for example in examples:
            for one in example.gold:
                roles.setdefault(one.trigger[2], set()).update(span[2] for span in one.arguments)
        if not roles:
            raise UserError("no training text has an event", file=examples[0].file)
        self.roles = {kind: tuple(sorted(roles[kind])) for kind in sorted(roles)}
        kinds = [TRIGGER + kind for kind in self.roles]
        kinds += [ROLE + role for role in sorted(set().union(*roles.values()))]
        self.labels = (OUTSIDE, *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))

    def targets(self, examples: Sequence[Example]) -> Array:
        """(E,) `Gold` of each text; negative numbers for tags that training did not have."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        found = np.empty(len(examples), dtype=object)
        num_unseen = num_all = 0
        for place, example in enumerate(examples):
            rows = [[(*one.trigger[:2], TRIGGER + one.trigger[2]) for one in example.gold]]
            rows += [[(*span[:2], ROLE + span[2]) for span in one.arguments] for one in example.gold]
            width = len(example.words)
            tags = [[numbers.get(tag, UNSEEN) for tag in to_iob2(spans, width)] for spans in rows]
            found[place] = Gold(np.array(tags, dtype=np.int64).reshape(-1, width), *as_sets(example.gold))
            num_all += len(example.gold)
            num_unseen += sum(one.trigger[2] not in self.roles for one in example.gold)
        if num_unseen > num_all / 2:
            hint = f"The model knows: {', '.join(list(self.roles)[:20])}."
            problem = f"{num_unseen} of {num_all} events are of types that training did not have"
            raise UserError(problem, file=examples[0].file, hint=hint)
        return found

    def readings(self, example: Example) -> list[tuple[str, ...]]:
        """The text, and the text once more for each trigger that is known (gold) or asked for."""
        return [one.texts for one, _ in readings_of(example)]

    def encode(self, tokenizer: Any, examples: Sequence[Example], limits: Limits) -> Encoded:
        """A sequence for every reading; the words of a text answer, signs and names of types do not."""
        of_each = [readings_of(example) for example in examples]
        parts = [one for found in of_each for one, _ in found]
        answering = [own for found in of_each for _, own in found]
        encoded = encode_words(tokenizer, parts, limits)
        tokens = encoded.tokens
        assert tokens.units is not None
        units = tokens.units.copy()
        for place, own in enumerate(answering):
            start, end = tokens.offsets[tokens.windows[place : place + 2]]
            inside = units[start:end]
            inside[(inside >= 0) & ~np.append(own, True)[inside]] = -1
        windows = tokens.windows[
            np.concatenate([[0], np.cumsum([len(found) for found in of_each])]).astype(np.int64)
        ]
        return replace(encoded, tokens=replace(tokens, units=units, windows=windows))

    def pool(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(B, T, C) -> (U, C): the outputs at the first token of every word, reading after reading."""
        assert batch.units is not None
        return outputs[batch.units >= 0]

    def part(self, logits: Array, batch: Batch) -> list[Array]:
        """(U, C) -> an array (R x W, C) for each text of W words that is read R times."""
        return by_example(logits, batch)

    def join(self, targets: Array) -> Array:
        """All words of all readings; numbers of later readings are raised by C: the loss tells them apart."""
        lines = []
        for one in targets:
            if isinstance(one, Gold):
                tags = one.tags.copy()
                tags[1:][tags[1:] >= 0] += len(self.labels)
                one = tags.reshape(-1)  # noqa: PLW2901
            lines.append(one)
        return np.concatenate(lines) if lines else np.zeros(0, dtype=np.int64)

    def weigh(self, tokens: Tokens, rows: Ints) -> int:
        """All words of all readings."""
        return tokens.num_answers(rows)

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of every word among the tags of its reading; unseen tags count nothing."""
        import torch

        number = len(self.labels)
        is_later = (targets >= number).long()
        groups = np.stack([self.may_give(group) for group in (TRIGGER, ROLE)])
        allowed = torch.as_tensor(groups, device=logits.device)[is_later]
        known = torch.where(targets >= number, targets - number, targets)
        return torch.nn.functional.cross_entropy(
            logits.masked_fill(~allowed, NEVER), known, ignore_index=UNSEEN, reduction="none"
        )

    def second_round(self, logits: Array, examples: Sequence[Example]) -> list[Example]:
        """The texts in which triggers were found, with these."""
        found = []
        for one, example in zip(logits, examples, strict=True):
            triggers = self._triggers(one[: len(example.words)])
            if triggers:
                found.append(replace(example, gold=Asked(tuple(triggers))))
        return found

    def merge_rounds(self, logits: Array, second: Array, examples: Sequence[Example]) -> Array:
        """The first reading of each text, then those about the triggers found in it."""
        merged, waiting = np.empty(len(logits), dtype=object), iter(second)
        for place, (one, example) in enumerate(zip(logits, examples, strict=True)):
            first = one[: len(example.words)]
            merged[place] = np.concatenate([first, next(waiting)]) if self._triggers(first) else first
        return merged

    def decode(self, logits: Array, examples: Sequence[Example]) -> list[Prediction]:
        """Events, each trigger and argument with the geometric mean of its words' probabilities."""
        found = []
        for one, example in zip(logits, examples, strict=True):
            width = len(example.words)
            events = self._events(one, width)
            objects = as_objects(to_characters(events, example.words), example.texts[0])
            for number, (event, said) in enumerate(zip(events, objects, strict=True), start=1):
                own = one[number * width : (number + 1) * width]
                said["trigger"]["probability"] = self._sure(one[:width], event.trigger, TRIGGER)
                for span, argument in zip(event.arguments, said["arguments"], strict=True):
                    argument["probability"] = self._sure(own, span, ROLE)
            sure = softmax(one[:width]).max(axis=1) if width else np.ones(1)
            found.append(Prediction(objects, float(np.exp(np.log(sure).mean())), {}))
        return found

    def columns_of(self, prediction: Prediction) -> dict[str, Any]:
        """The events of a row."""
        return {"events": prediction.label}

    def is_right(self, prediction: Prediction, example: Example) -> bool:
        """The same triggers and arguments."""
        said = to_words(read_events(prediction.label) or [], example.words)
        return as_sets(said) == as_sets(example.gold)

    def gold_answer(self, example: Example) -> Any:
        """Events by characters."""
        return as_objects(to_characters(example.gold, example.words), example.texts[0])

    def cell(self, answer: Any, example: Example) -> Shown:
        """The text with triggers and arguments in it, the events below it."""
        return shown_events(answer, example.texts[0])

    def metrics(self, logits: Array, targets: Array) -> dict[str, float]:
        """f1, precision, recall of arguments (offsets, role, event type); trigger_f1, ... (offsets, type)."""
        return event_metrics(*self._counts(self._said(logits, targets), targets))

    def intervals(self, logits: Array, targets: Array, *, seed: int = 0) -> Intervals:
        """95% bootstrap intervals, texts drawn."""
        return event_intervals(*self._counts(self._said(logits, targets), targets), seed=seed)

    def score(
        self, predicted: Sequence[Any], targets: Array, examples: Sequence[Example]
    ) -> tuple[dict[str, float], Intervals]:
        """Metrics of events by words."""
        counts = self._counts(predicted, targets)
        return event_metrics(*counts), event_intervals(*counts)

    def problem_type(self) -> str:
        """Transformers' name for cross-entropy."""
        return "single_label_classification"

    def as_logits(self, predicted: Sequence[Any]) -> Array:
        """One-hot rows, scaled, of arrays of tag numbers such as `Gold.tags`."""
        found = np.empty(len(predicted), dtype=object)
        for place, tags in enumerate(predicted):
            found[place] = np.eye(len(self.labels))[np.asarray(tags).reshape(-1)] * CERTAIN
        return found

    def state(self) -> dict[str, Any]:
        """Labels, and the roles of each type."""
        return {**super().state(), "roles": {kind: list(roles) for kind, roles in self.roles.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        super().restore(state)
        self.roles = {kind: tuple(roles) for kind, roles in state["roles"].items()}

    def _said(self, logits: Array, targets: Array) -> list[list[Mention]]:
        """(E,) the events that are found, by words."""
        return [self._events(one, gold.tags.shape[1]) for one, gold in zip(logits, targets, strict=True)]

    @staticmethod
    def _counts(said: Sequence[Any], targets: Array) -> tuple[Array, Array]:
        gold = [(one.triggers, one.arguments) for one in targets]
        return event_counts(gold, [as_sets(one) for one in said])

    def _events(self, logits: Array, width: int) -> list[Mention]:
        """The events that the logits of all readings of a text of `width` words say."""
        triggers = self._triggers(logits[:width])
        assert len(logits) == width * (1 + len(triggers)), "the roles of the triggers found must be asked for"
        return [
            Mention(
                trigger, tuple(self._spans(logits[n * width : (n + 1) * width], ROLE, self.roles[trigger[2]]))
            )
            for n, trigger in enumerate(triggers, start=1)
        ]

    def _triggers(self, logits: Array) -> list[Span]:
        """The triggers of a first reading (W, C), in order; of too many the most certain."""
        found = self._spans(logits, TRIGGER, list(self.roles))
        if len(found) > MOST_TRIGGERS:
            found = sorted(found, key=lambda span: -self._sure(logits, span, TRIGGER))[:MOST_TRIGGERS]
        return sorted(found)

    def _spans(self, logits: Array, group: str, kinds: Sequence[str]) -> list[Span]:
        """The best spans of some kinds, by words."""
        numbers = best_tags(np.where(self.may_give(group, kinds), logits, NEVER))
        spans = spans_of([self.labels[number] for number in numbers])
        return [(start, end, kind.removeprefix(group)) for start, end, kind in spans]

    def pointed_out(self, logits: Array, example: Example, word: str) -> tuple[Example, Array]:
        """Triggers are tagged in the first reading; a word that begins an argument in that of its event."""
        events = self._events(logits, len(example.words))
        for event in events if word else ():
            for start, behind, _ in event.arguments:
                first, last = example.words[start][0], example.words[behind - 1][1]
                if example.texts[0][first:last].startswith(word):
                    asked = replace(example, gold=Asked((event.trigger,)))
                    return asked, self.may_give(ROLE, self.roles[event.trigger[2]])
        return replace(example, gold=None), self.may_give(TRIGGER)

    def may_give(self, group: str, kinds: Sequence[str] | None = None) -> Array:
        """(C,) which tags a reading may give: `O`, and those of a group, or of some of its kinds."""
        found = [parse_tag(tag)[1] for tag in self.labels]
        named = [kind.removeprefix(group) if kind.startswith(group) else None for kind in found]
        return np.array(
            [
                not kind or (one is not None and (kinds is None or one in kinds))
                for kind, one in zip(found, named, strict=True)
            ]
        )

    def _sure(self, logits: Array, span: Span, group: str) -> float:
        """The geometric mean of the probabilities of a span's words, of being in a span of its kind."""
        kind = group + span[2]
        of_kind = [number for number, tag in enumerate(self.labels) if parse_tag(tag)[1] == kind]
        sure = softmax(logits[span[0] : span[1]])[:, of_kind].sum(axis=1)
        return float(np.exp(np.log(np.maximum(sure, 1e-12)).mean()))
