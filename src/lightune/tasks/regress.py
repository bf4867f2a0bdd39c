"""A number for a text or a pair of texts (STS-B, ratings): mean squared error on standardised targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune.core.errors import UserError
from lightune.core.rows import Example, Row
from lightune.data.profile import is_missing, to_number
from lightune.tasks.base import Array, Intervals, Prediction, Task
from lightune.tasks.classify import looks_like_classes

if TYPE_CHECKING:
    import torch

    from lightune.data.profile import LabelProfile


class Regress(Task):
    """A number for every row. The network's output times `spread` plus `mean` is the answer."""

    name = "regress"
    unsafe_privately = "its scale is the mean and the spread of the training answers, which have no noise"
    summary = "a number for a text or a pair"
    kind = "number"
    best_by = "pearson"

    def __init__(self) -> None:
        super().__init__()
        self.mean = 0.0
        self.spread = 1.0

    @classmethod
    def recognises(cls, profile: LabelProfile, num_texts: int) -> str:
        """Numbers that are not a few whole ones."""
        if profile.is_numeric and not looks_like_classes(profile):
            return f"the label column holds numbers, {len(profile.distinct)} distinct ones"
        return ""

    def gold(self, row: Row, label: str, profile: LabelProfile) -> float | None:
        """The number.

        Raises:
            UserError: something that is no finite number.
        """
        value = row.values.get(label)
        if is_missing(value):
            return None
        number = to_number(value)
        if number is None:
            raise UserError(
                f"{value!r} is not a number",
                file=row.file,
                line=row.line,
                column=label,
                hint="Mend the cell, or say --task classify when the column holds names.",
            )
        return number

    def learn(self, examples: Sequence[Example]) -> None:
        """Mean and standard deviation of the training numbers."""
        numbers = np.array([example.gold for example in examples], dtype=np.float64)
        self.labels = ("value",)
        self.mean = float(numbers.mean())
        self.spread = float(numbers.std()) or 1.0

    def targets(self, examples: Sequence[Example]) -> Array:
        """(B,) numbers in their own unit."""
        return np.array([example.gold for example in examples], dtype=np.float32)

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Squared error in units of the training spread."""
        return (logits[:, 0] - (targets - self.mean) / self.spread) ** 2

    def decode(self, logits: Array, examples: Sequence[Example]) -> list[Prediction]:
        """The number in its own unit."""
        return [Prediction(float(value), None, {}) for value in self._values(logits)]

    def badness(self, prediction: Prediction, example: Example) -> float:
        """How far off it is."""
        return abs(float(example.gold) - float(prediction.label))

    def metrics(self, logits: Array, targets: Array) -> dict[str, float]:
        """pearson, spearman, mean absolute and root mean squared error."""
        from lightune.evaluate.numbers import regression_metrics

        return regression_metrics(targets, self._values(logits))

    def intervals(self, logits: Array, targets: Array, *, seed: int = 0) -> Intervals:
        """95% bootstrap intervals over rows."""
        from lightune.evaluate.intervals import bootstrap

        return bootstrap(lambda rows: self.metrics(logits[rows], targets[rows]), len(targets), seed=seed)

    def problem_type(self) -> str:
        """Transformers' name for squared error."""
        return "regression"

    def as_logits(self, predicted: Sequence[Any]) -> Array:
        """Numbers as the network would give them."""
        return ((np.array(predicted, dtype=np.float64) - self.mean) / self.spread)[:, None]

    def state(self) -> dict[str, Any]:
        """Labels and scale."""
        return {**super().state(), "mean": self.mean, "spread": self.spread}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back labels and scale."""
        super().restore(state)
        self.mean, self.spread = float(state["mean"]), float(state["spread"])

    def _values(self, logits: Array) -> Array:
        return np.asarray(logits[:, 0], dtype=np.float64) * self.spread + self.mean
