"""One label out of several for a text or a pair of texts: softmax and cross-entropy.

Classes are weighed by n / (C x n_c) (King and Zeng 2001, as scikit-learn's `balanced`) when the largest is
more than three times the smallest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune.core.rows import Example, Row
from lightune.data.profile import is_missing, label_name
from lightune.tasks.base import CERTAIN, Array, Intervals, Prediction, Task, label_numbers, softmax

if TYPE_CHECKING:
    import torch

    from lightune.data.profile import LabelProfile

MANY_CLASSES = 200


class Classify(Task):
    """One label for every row."""

    name = "classify"
    summary = "one label for a text"
    kind = "classes"
    best_by = "accuracy"

    def __init__(self) -> None:
        super().__init__()
        self.weights: tuple[float, ...] | None = None
        self.temperature: float = 1.0

    @classmethod
    def recognises(cls, profile: LabelProfile, num_texts: int) -> str:
        """Few distinct labels, one text."""
        if num_texts == 1 and looks_like_classes(profile):
            return f"one text column and {len(profile.distinct)} distinct labels"
        return ""

    def gold(self, row: Row, label: str, profile: LabelProfile) -> str | None:
        """The label's name."""
        value = row.values.get(label)
        return None if is_missing(value) else label_name(value)

    def learn(self, examples: Sequence[Example]) -> None:
        """Labels in alphabetical order (numbers by value)."""
        self.labels = tuple(sorted({example.gold for example in examples}, key=_by_value))

    def balance(self, examples: Sequence[Example]) -> None:
        """Weigh the classes as scikit-learn's `balanced` does."""
        counts = Counter(example.gold for example in examples)
        total = sum(counts.values())
        self.weights = tuple(total / (len(self.labels) * max(counts[label], 1)) for label in self.labels)

    def targets(self, examples: Sequence[Example]) -> Array:
        """(B,) class numbers."""
        return label_numbers(self.labels, examples)

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Cross-entropy, -log softmax(logits)[target] times the class weight."""
        import torch

        weight = None if self.weights is None else logits.new_tensor(self.weights)
        return torch.nn.functional.cross_entropy(logits, targets, weight=weight, reduction="none")

    def decode(self, logits: Array, examples: Sequence[Example]) -> list[Prediction]:
        """The most probable label; probabilities after temperature scaling."""
        probability = softmax(logits / self.temperature)
        best = probability.argmax(axis=1)
        return [
            Prediction(
                self.labels[number], float(row[number]), dict(zip(self.labels, map(float, row), strict=True))
            )
            for number, row in zip(best, probability, strict=True)
        ]

    def margins(self, logits: Array) -> Array:
        """(B,) the largest logit less the second."""
        second, first = np.sort(logits, axis=1)[:, -2:].T
        return np.asarray(first - second)

    def metrics(self, logits: Array, targets: Array) -> dict[str, float]:
        """accuracy, macro f1, precision, recall, matthews."""
        from lightune.evaluate.classes import class_metrics

        return class_metrics(targets, logits.argmax(axis=1), len(self.labels))

    def intervals(self, logits: Array, targets: Array, *, seed: int = 0) -> Intervals:
        """95% bootstrap intervals of `metrics`."""
        from lightune.evaluate.intervals import class_intervals

        return class_intervals(targets, logits.argmax(axis=1), len(self.labels), seed=seed)

    def problem_type(self) -> str:
        """Transformers' name for cross-entropy."""
        return "single_label_classification"

    def as_logits(self, predicted: Sequence[Any]) -> Array:
        """One-hot rows, scaled."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        return np.eye(len(self.labels))[[numbers[label] for label in predicted]] * CERTAIN

    def state(self) -> dict[str, Any]:
        """Labels, class weights and temperature."""
        weights = self.weights and list(self.weights)
        return {**super().state(), "weights": weights, "temperature": self.temperature}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back labels, class weights and temperature (older runs have none)."""
        super().restore(state)
        self.temperature = float(state.get("temperature", 1.0))
        self.weights = tuple(state["weights"]) if state.get("weights") else None

    def adopt(self, state: Mapping[str, Any]) -> None:
        """The labels alone: weights and temperature are those of the new rows."""
        self.labels = tuple(state["labels"])


def looks_like_classes(profile: LabelProfile) -> bool:
    """Few enough distinct labels to be classes, and they come back."""
    if profile.is_list or profile.delimiter or not profile.distinct:
        return False
    number = len(profile.distinct)
    if profile.is_numeric and any(not float(value).is_integer() for value in profile.distinct):
        return False
    limit = 20 if profile.is_numeric else MANY_CLASSES
    return number <= max(2, min(limit, profile.num_rows / 2))


def _by_value(label: str) -> tuple[float, str]:
    try:
        return (float(label), "")
    except ValueError:
        return (float("inf"), label)
