"""Multiple choice: each option is read with its question, gets one score; a softmax runs over the options.

Radford et al. 2018, section 3.3. Rows may have different numbers of options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune.backbones.encode import Encoded, Limits, encode
from lightune.core.errors import UserError
from lightune.core.rows import Example, Row
from lightune.core.shown import Mark, Shown, Tone
from lightune.core.tokens import Batch
from lightune.data.options import first_number, options_of, place_of
from lightune.data.profile import is_missing
from lightune.tasks.base import Array, Intervals, Prediction, Task, softmax

if TYPE_CHECKING:
    import torch

    from lightune.data.profile import LabelProfile


class Choose(Task):
    """One option out of those that the row itself names."""

    name = "choose"
    summary = "the right one of a question's options"
    kind = "options"
    best_by = "accuracy"
    precedence = 50

    def __init__(self) -> None:
        super().__init__()
        self.labels = ("score",)
        self.first: int | None = None  # what golds count from, by the column that was trained on

    @classmethod
    def recognises(cls, profile: LabelProfile, num_texts: int) -> str:
        """Rows that name their options."""
        return "every row names its options" if profile.form == "options" else ""

    def gold(self, row: Row, label: str, profile: LabelProfile) -> int | None:
        """The number of the right option."""
        value = row.values.get(label)
        if self.first is None:
            self.first = first_number(profile.distinct)
        return None if is_missing(value) else place_of(value, row.values, first=self.first)

    def row_to_example(self, row: Row, text: tuple[str, ...], gold: Any) -> Example:
        """Question (and context) and options.

        Raises:
            UserError: the row names no options.
        """
        options = options_of(row.values)
        if len(options) < 2:
            hint = "Give a list in a column `options`, or columns such as option_a, option_b."
            raise UserError("this row names no two options", file=row.file, line=row.line, hint=hint)
        return replace(super().row_to_example(row, text, gold), options=options)

    def learn(self, examples: Sequence[Example]) -> None:
        """There is one score, whatever the options are."""

    def state(self) -> dict[str, Any]:
        """What golds count from as well: a few rows to evaluate on may not tell."""
        return {**super().state(), "first": self.first}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        super().restore(state)
        self.first = state.get("first")

    def adopt(self, state: Mapping[str, Any]) -> None:
        """Its rows count as they do."""
        first = self.first
        super().adopt(state)
        self.first = first

    def targets(self, examples: Sequence[Example]) -> Array:
        """(E,) the numbers of the right options."""
        return np.array([example.gold for example in examples], dtype=np.int64)

    def readings(self, example: Example) -> list[tuple[str, ...]]:
        """The question, and an option as the second text, for every option."""
        return [("\n".join(example.texts), option or " ") for option in example.options]

    def encode(self, tokenizer: Any, examples: Sequence[Example], limits: Limits) -> Encoded:
        """A sequence for every option."""
        pairs = [pair for example in examples for pair in self.readings(example)]
        found = encode(tokenizer, pairs, limits)
        counts = np.array([len(example.options) for example in examples])
        windows = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return replace(found, tokens=replace(found.tokens, windows=windows))

    def pool(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(S, 1) -> (S,): a score for every option of the batch's examples, in order."""
        return outputs[:, 0]

    def part(self, logits: Array, batch: Batch) -> list[Array]:
        """(S,) -> an array (options,) for each example."""
        counts = np.bincount(batch.owner.cpu().numpy(), minlength=batch.num_examples)
        return np.split(logits, np.cumsum(counts)[:-1])

    def losses(self, outputs: torch.Tensor, batch: Batch, targets: Array) -> torch.Tensor:
        """(E,) cross-entropy over the options of each example."""
        import torch

        counts = torch.bincount(batch.owner, minlength=batch.num_examples).tolist()
        parts = torch.split(self.pool(outputs, batch), counts)
        each = [-one.log_softmax(0)[int(gold)] for one, gold in zip(parts, targets, strict=True)]
        return torch.stack(each)

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """A score has no loss by itself: `losses` needs all options."""
        raise NotImplementedError

    def mean_loss(self, logits: Array, targets: Array) -> float:
        """The mean over examples."""
        chances = [softmax(one[None])[0][gold] for one, gold in zip(logits, targets, strict=True)]
        return float(-np.log(np.maximum(chances, 1e-12)).mean())

    def decode(self, logits: Array, examples: Sequence[Example]) -> list[Prediction]:
        """The likeliest option, and the probability of each."""
        found = []
        for one, example in zip(logits, examples, strict=True):
            chances = softmax(one[None])[0]
            best = int(chances.argmax())
            scores = dict(zip(example.options, map(float, chances), strict=True))
            found.append(Prediction(example.options[best], float(chances[best]), scores))
        return found

    def is_right(self, prediction: Prediction, example: Example) -> bool:
        """Whether it is the right option."""
        return bool(prediction.label == self.gold_answer(example))

    def gold_answer(self, example: Example) -> Any:
        """The right option's text."""
        return example.options[example.gold]

    def compared(self, prediction: Prediction, example: Example) -> dict[str, Shown]:
        """The question and its options, the right and the chosen one marked."""
        lines, marks, at = [], [], 0
        for number, option in enumerate(example.options):
            tone: Tone | None = "right" if number == example.gold else None
            tone = "wrong" if tone is None and option == prediction.label else tone
            if tone and option:
                marks.append(Mark(at, at + len(option), "right" if tone == "right" else "chosen", tone))
            lines.append(f"{option} ({prediction.scores.get(option, 0):.0%})")
            at += len(lines[-1]) + 1
        return {"Question": Shown("\n".join(example.texts)), "Options": Shown("\n".join(lines), tuple(marks))}

    def metrics(self, logits: Array, targets: Array) -> dict[str, float]:
        """Accuracy."""
        return {"accuracy": float(self._right(logits, targets).mean())}

    def intervals(self, logits: Array, targets: Array, *, seed: int = 0) -> Intervals:
        """95% bootstrap interval, questions drawn."""
        from lightune.evaluate.intervals import bootstrap

        right = self._right(logits, targets)
        return bootstrap(lambda rows: {"accuracy": float(right[rows].mean())}, len(right), seed=seed)

    def score(
        self, predicted: Sequence[Any], targets: Array, examples: Sequence[Example]
    ) -> tuple[dict[str, float], Intervals]:
        """Accuracy of numbers of options."""
        chosen = [np.eye(len(one.options))[place] for one, place in zip(examples, predicted, strict=True)]
        return self.metrics(chosen, targets), self.intervals(chosen, targets)  # type: ignore[arg-type]

    @staticmethod
    def _right(logits: Array, targets: Array) -> Array:
        return np.array([float(one.argmax() == gold) for one, gold in zip(logits, targets, strict=True)])

    def problem_type(self) -> str:
        """Transformers' name for a single score."""
        return "regression"

    def as_logits(self, predicted: Sequence[Any]) -> Array:
        """An option's number, from elsewhere, has no scores."""
        raise NotImplementedError("no baseline answers by scores of options")
