"""The contract of an earlier model: learn from texts and gold answers, then answer in the same form.

A file of this folder with one class on `Baseline` is a rung of `lightune compare`; its name is the file's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from lightune.core.size import bytes_of

Kind = Literal["classes", "labels", "number", "tags", "text", "text spans", "vectors", "events", "options"]
Texts = Sequence[tuple[str, ...]]


class Baseline(ABC):
    """A simple model to beat.

    Args:
        kind: the form of one gold answer: "classes" a label name, "labels" a list of them, "number" a float,
            "tags" a tag a word, "events" events by words; texts are then the words; "vectors" none, and a
            matrix (B, V) a side is answered; "text" a text; "options" the number of one, the texts are then
            the question and its options; "text spans" (start, text) of each right answer in the second
            text, of which none may be right, and a text is answered.
        is_balanced: whether rare classes weigh as much as frequent ones.
        seed: of everything random.

    Attributes:
        name: the file's name, and the rung's.
        summary: what it is, in a few words.
        kinds: the forms of gold that it knows.
        generation: its place on the ladder: 0 reads nothing, 1 counts words, 2 n-grams, 3 sequences of tags,
            4 word vectors, 5 networks; of one generation the cheapest comes first.
        cost: seconds to learn from a million characters, on one core: what `--budget` goes by.
        is_quick: whether `train` runs it beside every run.
        extra: the package and the extra of lightune that it cannot do without, if any.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    kinds: ClassVar[frozenset[Kind]]
    generation: ClassVar[int] = 1
    cost: ClassVar[float]
    is_quick: ClassVar[bool] = False
    extra: ClassVar[tuple[str, str] | None] = None

    def __init__(self, kind: Kind, *, is_balanced: bool = False, seed: int = 0) -> None:
        assert kind in self.kinds, f"{self.name} does not know {kind}"
        self.kind = kind
        self.is_balanced = is_balanced
        self.seed = seed

    @abstractmethod
    def fit(self, texts: Texts, gold: Sequence[Any]) -> Baseline:
        """Learn from one text or a pair per row, and one answer per row; gives itself back."""

    @abstractmethod
    def predict(self, texts: Texts) -> list[Any]:
        """One answer per row, in the form of gold."""

    def size_bytes(self) -> int:
        """What has to be kept to predict: every number and word that `fit` left behind."""
        return bytes_of(vars(self))
