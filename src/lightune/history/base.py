"""The contract of a baseline: learn from texts and gold answers, then answer in the same form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

Kind = Literal["classes", "labels", "number", "tags", "text", "text spans", "vectors", "events"]
Texts = Sequence[tuple[str, ...]]


class Baseline(ABC):
    """A simple model to beat.

    Args:
        kind: the form of one gold answer: "classes" a label name, "labels" a list of them, "number" a float,
            "tags" a tag a word; texts are then the words; "vectors" none, and a matrix (B, V) a side is
            answered.
        is_balanced: whether rare classes weigh as much as frequent ones.
    """

    name: str

    def __init__(self, kind: Kind, *, is_balanced: bool = False) -> None:
        self.kind = kind
        self.is_balanced = is_balanced

    @abstractmethod
    def fit(self, texts: Texts, gold: Sequence[Any]) -> Baseline:
        """Learn from one text or a pair per row, and one answer per row; gives itself back."""

    @abstractmethod
    def predict(self, texts: Texts) -> list[Any]:
        """One answer per row, in the form of gold."""
