"""The relation of two entities of a text, or none: a class for the text with both of them marked.

The marks are plain signs and the entities' types (Zhou and Chen 2022), so any model reads them. A row has
`head` and `tail`, places in its text, or `<e1>` and `<e2>` in the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lightune.backbones.encode import Encoded, Limits, encode
from lightune.core.errors import UserError
from lightune.core.marking import mark_pair, marks_in, pair_of, types_in, unmark_pair
from lightune.core.rows import Example, Row
from lightune.core.shown import Mark, Shown
from lightune.tasks.base import Array, Intervals, Prediction
from lightune.tasks.classify import Classify

if TYPE_CHECKING:
    from lightune.data.profile import LabelProfile

NONE_LABELS = (
    "no_relation",
    "no relation",
    "other",
    "none",
    "na",
    "n/a",
    "norel",
    "negative",
    "无关系",
    "无",
)
ROUNDS = 4  # how often a long text is cut shorter before the tokenizer cuts it at its end
FORM = '{"text": "Ada lives in Rome", "head": {"start": 0, "end": 3}, "tail": {"start": 13, "end": 17}}'


class Relation(Classify):
    """One relation, or none, for every pair of entities."""

    name = "relation"
    points_into_text = True
    summary = "the relation of two marked entities, or none"
    best_by = "f1"
    meanings: ClassVar[Mapping[str, str]] = {
        "f1": "balance of relations found and relations made up; pairs without a relation do not count",
        "precision": "of the pairs given a relation, the share that truly have it",
        "recall": "of the pairs with a relation, the share that are given it",
        "f1_macro": "the same balance, every relation counting the same",
        "f1_semeval": "the same, as SemEval-2010 counts: both directions of a relation together",
    }
    added = ("relation", "probability")
    precedence = 20
    weighs_by_itself = False  # pairs without a relation are many by nature, and F1 leaves them out
    cuts_long = "cut round the two entities"

    def __init__(self) -> None:
        super().__init__()
        self.none: str | None = None
        self.types: tuple[str, ...] | None = None  # None until learnt: types are marked where they are given

    @classmethod
    def recognises(cls, profile: LabelProfile, num_texts: int) -> str:
        """Columns `head` and `tail` that are places in a text."""
        if profile.form == "relation" and num_texts == 1:
            return f"head and tail are places in the text; {len(profile.distinct)} relations"
        return ""

    def row_to_example(self, row: Row, text: tuple[str, ...], gold: Any) -> Example:
        """The marked text; `words` are the places of the marked head and tail.

        Raises:
            UserError: the row does not say where its two entities are.
        """
        whole = "" if row.values.get(text[0]) is None else row.values[text[0]]
        if not isinstance(whole, str):
            raise UserError("relations are read from texts, not from lists", file=row.file, line=row.line)
        try:
            whole, head, tail = pair_of(row.values, whole)
        except ValueError as error:
            hint = f"A row looks like {FORM}; or mark both in the text: <e1>Ada</e1>."
            raise UserError(str(error), file=row.file, line=row.line, hint=hint) from None
        if self.types == ():
            head, tail = head._replace(kind=""), tail._replace(kind="")
        marked, places = mark_pair(whole, head, tail)
        return Example((marked,), gold, row.index, row.file, row.line, places)

    def learn(self, examples: Sequence[Example]) -> None:
        """Labels in alphabetical order, which of them means none, and the types of entities."""
        super().learn(examples)
        known = {label.lower(): label for label in self.labels}
        self.none = next((known[name] for name in NONE_LABELS if name in known), None)
        self.types = tuple(sorted({kind for one in examples for kind in types_in(one.texts[0], one.words)}))

    def own_marks(self, example: Example) -> list[tuple[int, int]]:
        """The signs and types round head and tail."""
        return marks_in(example.texts[0], example.words)

    def encode(self, tokenizer: Any, examples: Sequence[Example], limits: Limits) -> Encoded:
        """Tokens; a text that is too long is cut so that both entities stay in it."""
        limits = replace(limits, long="truncate")
        found = encode(tokenizer, [one.texts for one in examples], limits)
        if not found.num_long:
            return found
        ids = tokenizer([one.texts[0] for one in examples], verbose=False)["input_ids"]
        lengths = np.array([len(one) for one in ids])
        is_long = lengths > limits.max_length
        texts = [one.texts for one in examples]
        for place in np.flatnonzero(is_long).tolist():
            texts[place] = (_shortened(tokenizer, examples[place], int(lengths[place]), limits.max_length),)
        cut = encode(tokenizer, texts, limits)
        lost = int(lengths[is_long].sum() - cut.tokens.lengths[is_long].sum())
        return replace(
            cut, num_long=int(is_long.sum()), num_cut=int(is_long.sum()), lost_tokens=lost,
            all_tokens=int(lengths.sum()),
        )  # fmt: skip

    def metrics(self, logits: Array, targets: Array) -> dict[str, float]:
        """f1 (micro), f1_macro, precision, recall without "none"; accuracy; SemEval's f1_semeval."""
        from lightune.evaluate.relations import relation_metrics

        return relation_metrics(targets, logits.argmax(axis=1), self.labels, self.none)

    def intervals(self, logits: Array, targets: Array, *, seed: int = 0) -> Intervals:
        """95% bootstrap intervals of `metrics`."""
        from lightune.evaluate.relations import relation_intervals

        return relation_intervals(targets, logits.argmax(axis=1), self.labels, self.none, seed=seed)

    def compared(self, prediction: Prediction, example: Example) -> dict[str, Shown]:
        """The text with both entities, and the two relations."""
        text, *pair = unmark_pair(example.texts[0], example.words)
        marks = [
            Mark(one.start, one.end, f"{name} ({one.kind})" if one.kind else name)
            for one, name in zip(pair, ("head", "tail"), strict=True)
        ]
        return {**super().compared(prediction, example), "Text": Shown(text, tuple(marks))}

    def columns_of(self, prediction: Prediction) -> dict[str, Any]:
        """The relation; `head` and `tail` stand in the row."""
        return {"relation": prediction.label, "probability": prediction.probability}

    def state(self) -> dict[str, Any]:
        """Labels, which of them is none, and the types that training marked."""
        return {**super().state(), "none": self.none, "types": list(self.types or ())}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        super().restore(state)
        self.none, self.types = state["none"], tuple(state["types"])


def _shortened(tokenizer: Any, example: Example, num_tokens: int, max_length: int) -> str:
    """The part of a text round its entities that fits; where they are far apart, a piece round each."""
    text, pieces = example.texts[0], sorted(example.words)
    budget = int(len(text) * max_length / num_tokens)
    made = text
    for _ in range(ROUNDS):
        budget = int(0.9 * budget)
        first, last = pieces[0][0], max(end for _, end in pieces)
        if last - first <= budget:
            made = _around(text, first, last, budget)
        else:
            made = " ... ".join(_around(text, start, end, budget // 2) for start, end in pieces)
        if len(tokenizer(made, verbose=False)["input_ids"]) <= max_length:
            break
    return made


def _around(text: str, start: int, end: int, budget: int) -> str:
    """`budget` characters of a text with the part from `start` to `end` in their middle."""
    spare = max(0, budget - (end - start))
    first = max(0, min(start - spare // 2, len(text) - budget))
    return text[first : max(end, first + budget)].strip()
