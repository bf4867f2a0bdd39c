"""Any number of labels for a text: one sigmoid and one binary cross-entropy a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune.core.rows import Example, Row
from lightune.data.profile import is_missing, split_labels
from lightune.tasks.base import CERTAIN, Array, Intervals, Prediction, Task, unseen_label

if TYPE_CHECKING:
    import torch

    from lightune.data.profile import LabelProfile


class MultiLabel(Task):
    """A set of labels, possibly empty, for every row."""

    name = "multilabel"
    summary = "any number of labels for a text"
    kind = "labels"
    best_by = "f1"
    precedence = 1

    @classmethod
    def recognises(cls, profile: LabelProfile, num_texts: int) -> str:
        """Lists, or strings with a delimiter."""
        if profile.is_list:
            return "the label column holds lists"
        if profile.delimiter:
            return f"the label column holds several labels joined by {profile.delimiter!r}"
        return ""

    def __init__(self) -> None:
        super().__init__()
        self.delimiter: str | None = None  # of the column that was trained on

    def gold(self, row: Row, label: str, profile: LabelProfile) -> list[str] | None:
        """The label names of a row; an empty cell is an empty set."""
        value = row.values.get(label)
        self.delimiter = profile.delimiter or self.delimiter  # a few rows to evaluate on may not show it
        return [] if is_missing(value) else split_labels(value, self.delimiter)

    def learn(self, examples: Sequence[Example]) -> None:
        """All labels seen, in alphabetical order."""
        self.labels = tuple(sorted({label for example in examples for label in example.gold}))

    def state(self) -> dict[str, Any]:
        """Labels, and what stands between them in a cell."""
        return {**super().state(), "delimiter": self.delimiter}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        super().restore(state)
        self.delimiter = state.get("delimiter")

    def targets(self, examples: Sequence[Example]) -> Array:
        """(B, C) zeros and ones."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        found = np.zeros((len(examples), len(self.labels)), dtype=np.float32)
        for place, example in enumerate(examples):
            for label in example.gold:
                if label not in numbers:
                    raise unseen_label(label, self.labels, example)
                found[place, numbers[label]] = 1
        return found

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Binary cross-entropy, mean over labels."""
        import torch

        entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return entropy.mean(dim=1)

    def decode(self, logits: Array, examples: Sequence[Example]) -> list[Prediction]:
        """Labels with probability above one half; `probability` is that of the whole set."""
        chance = 1 / (1 + np.exp(-logits.astype(np.float64)))
        predictions = []
        for row in chance:
            chosen = [label for label, value in zip(self.labels, row, strict=True) if value > 0.5]
            whole = float(np.prod(np.where(row > 0.5, row, 1 - row)))
            scores = dict(zip(self.labels, map(float, row), strict=True))
            predictions.append(Prediction(chosen, whole, scores))
        return predictions

    def margins(self, logits: Array) -> Array:
        """(B,) the distance from 0 of the logit that is nearest to it."""
        return np.asarray(np.abs(logits).min(axis=1))

    def metrics(self, logits: Array, targets: Array) -> dict[str, float]:
        """Accuracy (the whole set), macro f1, micro f1, precision, recall."""
        from lightune.evaluate.labels import multilabel_metrics

        return multilabel_metrics(targets > 0.5, logits > 0)

    def intervals(self, logits: Array, targets: Array, *, seed: int = 0) -> Intervals:
        """95% bootstrap intervals over rows."""
        from lightune.evaluate.intervals import bootstrap

        return bootstrap(lambda rows: self.metrics(logits[rows], targets[rows]), len(targets), seed=seed)

    def problem_type(self) -> str:
        """Transformers' name for binary cross-entropy."""
        return "multi_label_classification"

    def as_logits(self, predicted: Sequence[Any]) -> Array:
        """Plus or minus a large logit."""
        found = np.full((len(predicted), len(self.labels)), -CERTAIN)
        for place, labels in enumerate(predicted):
            for label in labels:
                found[place, self.labels.index(label)] = CERTAIN
        return found
