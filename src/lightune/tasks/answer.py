"""Reading comprehension: the span of a context that answers a question, or that there is none.

Every word of the context gets a start and an end score, and the first token those of "no answer"; one softmax
runs over all windows of a long context (shared normalisation: Clark and Gardner 2018, arXiv:1710.10723),
after Devlin et al. 2019, section 4.3. Exact match and F1: Rajpurkar et al. 2016 and 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lightune.backbones.encode import Encoded, Limits
from lightune.backbones.encode_words import encode_questions
from lightune.core.errors import UserError
from lightune.core.rows import Example, Row
from lightune.core.shown import Mark, Shown
from lightune.core.spans import read_answers, split_words
from lightune.core.tokens import Batch
from lightune.data.profile import is_missing
from lightune.tasks.base import Array, Intervals, Prediction, Task, by_example, softmax

if TYPE_CHECKING:
    import torch

    from lightune.data.profile import LabelProfile

MOST_WORDS = 30  # of an answer
NAMES = {"answers", "answer", "答案"}


@dataclass(frozen=True)
class Gold:
    """The units where the first gold answer starts and ends (0, 0: there is none), and its example."""

    start: int
    end: int
    example: Example


class Answer(Task):
    """The answer's place in a context."""

    name = "answer"
    points_into_text = True
    summary = "the place in a context that answers a question"
    kind = "text spans"
    auto_class = "AutoModelForQuestionAnswering"
    peft_type = "QUESTION_ANS"
    is_per_token = True
    added = ("answer", "start", "probability")
    best_by = "f1"
    meanings: ClassVar[Mapping[str, str]] = {
        "f1": "how far the words of the answer are those of the right one, as SQuAD counts: 0 none, 1 all",
        "exact_match": "share of answers with the words of the right one, case and articles aside",
        "f1_answerable": "F1 over the questions that have an answer",
        "f1_unanswerable": "share of the questions without an answer that get none",
    }
    precedence = 40

    def __init__(self) -> None:
        super().__init__()
        self.labels = ("start", "end")
        self.has_unanswerable = False

    @classmethod
    def recognises(cls, profile: LabelProfile, num_texts: int) -> str:
        """Two texts, and a column of answers that are no classes."""
        if num_texts == 2 and profile.column.strip().lower() in NAMES and profile.form == "answers":
            return f"a question, a context, and the column {profile.column!r}"
        return ""

    def gold(self, row: Row, label: str, profile: LabelProfile) -> Any:
        """The answers as the row has them; an empty list says that there is none."""
        value = row.values.get(label)
        return None if is_missing(value) and not isinstance(value, (list, dict)) else value

    def row_to_example(self, row: Row, text: tuple[str, ...], gold: Any) -> Example:
        """Question and context, the words of the context, and the gold answers as (start, text)."""
        question, context = (str(row.values.get(name) or "") for name in text)
        answers = None if gold is None else tuple(read_answers(gold, context))
        return Example((question, context), answers, row.index, row.file, row.line, split_words(context))

    def learn(self, examples: Sequence[Example]) -> None:
        """Whether some questions have no answer."""
        self.has_unanswerable = any(not example.gold for example in examples)

    def targets(self, examples: Sequence[Example]) -> Array:
        """(E,) `Gold`."""
        found = np.empty(len(examples), dtype=object)
        for place, example in enumerate(examples):
            found[place] = Gold(*_units_of(example), example)
        return found

    def encode(self, tokenizer: Any, examples: Sequence[Example], limits: Limits) -> Encoded:
        """The question before every window of its context."""
        return encode_questions(tokenizer, examples, limits)

    def pool(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(B, T, 2) -> (U, 2): no answer, then every word of the context, example after example."""
        assert batch.units is not None
        return outputs[batch.units >= 0]

    def part(self, logits: Array, batch: Batch) -> list[Array]:
        """(U, 2) -> an array (1 + words, 2) for each example."""
        return by_example(logits, batch)

    def join(self, targets: Array) -> Array:
        """(E, 2) units of start and end."""
        return np.array([(one.start, one.end) for one in targets], dtype=np.int64).reshape(-1, 2)

    def losses(self, outputs: torch.Tensor, batch: Batch, targets: Array) -> torch.Tensor:
        """(E,) the mean of the cross-entropies of start and end."""
        import torch

        assert batch.units is not None
        counts = torch.zeros(batch.num_examples, dtype=torch.long, device=batch.owner.device)
        counts.index_add_(0, batch.owner, (batch.units >= 0).sum(1))
        parts = torch.split(self.pool(outputs, batch), counts.tolist())
        return torch.stack([self._loss(one, gold) for one, gold in zip(parts, targets, strict=True)])

    def _loss(self, logits: torch.Tensor, gold: Gold) -> torch.Tensor:
        chosen = logits.log_softmax(dim=0)
        return -(chosen[gold.start, 0] + chosen[gold.end, 1]) / 2

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Answers have no loss by themselves: `losses` needs whole contexts."""
        raise NotImplementedError

    def mean_loss(self, logits: Array, targets: Array) -> float:
        """The mean over examples."""
        import torch

        each = [
            float(self._loss(torch.from_numpy(one), gold)) for one, gold in zip(logits, targets, strict=True)
        ]
        return float(np.mean(each))

    def decode(self, logits: Array, examples: Sequence[Example]) -> list[Prediction]:
        """The likeliest span of at most 30 words; "" where no answer is likelier."""
        return [self._best(one, example) for one, example in zip(logits, examples, strict=True)]

    def _best(self, logits: Array, example: Example) -> Prediction:
        starts, ends = softmax(logits.T)
        none = float(starts[0] * ends[0])
        words = len(logits) - 1
        if not words:
            return Prediction("", none, {})
        ways = np.triu(np.outer(starts[1:], ends[1:]))
        ways = ways - np.triu(ways, MOST_WORDS)
        first, last = np.unravel_index(int(ways.argmax()), ways.shape)
        sure = float(ways[first, last])
        if self.has_unanswerable and none >= sure:
            return Prediction("", none, {})
        start, end = example.words[int(first)][0], example.words[int(last)][1]
        return Prediction(example.texts[1][start:end], sure, {"start": start})

    def columns_of(self, prediction: Prediction) -> dict[str, Any]:
        """The answer, where it starts in the context (in characters), and how sure it is."""
        start = prediction.scores.get("start")
        return {"answer": prediction.label, "start": start, "probability": prediction.probability}

    def is_right(self, prediction: Prediction, example: Example) -> bool:
        """Whether it equals a gold answer, as SQuAD compares."""
        from lightune.evaluate.answers import exact

        return exact(str(prediction.label), [text for _, text in example.gold]) == 1.0

    def gold_answer(self, example: Example) -> Any:
        """The first gold answer's text."""
        return example.gold[0][1] if example.gold else "(no answer)"

    def compared(self, prediction: Prediction, example: Example) -> dict[str, Shown]:
        """The question, and the context twice: with the right answers, and with the model's."""
        question, context = example.texts
        gold = [Mark(start, start + len(text), "right", "right") for start, text in example.gold]
        start = prediction.scores.get("start")
        said, end = str(prediction.label), int(start or 0) + len(str(prediction.label))
        marks = () if start is None else (Mark(int(start), end, f"{prediction.probability:.0%}", "wrong"),)
        right = ", ".join(dict.fromkeys(text for _, text in example.gold))
        return {
            "Question": Shown(question),
            "Right answer": Shown(context, tuple(gold), (right or "(no answer)",)),
            "Model's answer": Shown(context, marks, (said or "(no answer)",)),
        }

    def metrics(self, logits: Array, targets: Array) -> dict[str, float]:
        """exact_match and f1, 0 to 1; of answerable and unanswerable questions too where there are both."""
        return self._metrics(*self._scores(logits, targets))

    def score(
        self, predicted: Sequence[Any], targets: Array, examples: Sequence[Example]
    ) -> tuple[dict[str, float], Intervals]:
        """Metrics of answers as texts, "" for none."""
        scores, has_answer = self._compare(predicted, targets)
        return self._metrics(scores, has_answer), self._intervals(scores)

    @staticmethod
    def _metrics(scores: Array, has_answer: Array) -> dict[str, float]:
        found = {"exact_match": float(scores[:, 0].mean()), "f1": float(scores[:, 1].mean())}
        if 0 < has_answer.sum() < len(has_answer):
            found["f1_answerable"] = float(scores[has_answer, 1].mean())
            found["f1_unanswerable"] = float(scores[~has_answer, 1].mean())
        return found

    def intervals(self, logits: Array, targets: Array, *, seed: int = 0) -> Intervals:
        """95% bootstrap intervals, questions drawn."""
        return self._intervals(self._scores(logits, targets)[0], seed=seed)

    @staticmethod
    def _intervals(scores: Array, *, seed: int = 0) -> Intervals:
        from lightune.evaluate.intervals import bootstrap

        def of(rows: Array) -> dict[str, float]:
            exact_match, f1 = scores[rows].mean(axis=0)
            return {"exact_match": float(exact_match), "f1": float(f1)}

        return bootstrap(of, len(scores), seed=seed)

    def _scores(self, logits: Array, targets: Array) -> tuple[Array, Array]:
        examples = [gold.example for gold in targets]
        return self._compare([str(one.label) for one in self.decode(logits, examples)], targets)

    @staticmethod
    def _compare(said: Sequence[str], targets: Array) -> tuple[Array, Array]:
        """(E, 2) exact match and F1, (E,) whether there is an answer."""
        from lightune.evaluate.answers import exact, f1

        gold = [[text for _, text in one.example.gold] for one in targets]
        rows = [(exact(one, right), f1(one, right)) for one, right in zip(said, gold, strict=True)]
        return np.array(rows).reshape(-1, 2), np.array([bool(one) for one in gold])

    def problem_type(self) -> str:
        """Transformers' name for cross-entropy."""
        return "single_label_classification"

    def as_logits(self, predicted: Sequence[Any]) -> Array:
        """An answer from elsewhere has no logits."""
        raise NotImplementedError("no baseline answers by scores of words")

    def state(self) -> dict[str, Any]:
        """Whether "no answer" is an answer."""
        return {**super().state(), "has_unanswerable": self.has_unanswerable}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        super().restore(state)
        self.has_unanswerable = bool(state["has_unanswerable"])


def _units_of(example: Example) -> tuple[int, int]:
    """The units (words from 1) where the first gold answer starts and ends, words that it cuts included."""
    if not example.gold:
        return 0, 0
    start, text = example.gold[0]
    held = [
        place for place, (a, b) in enumerate(example.words, start=1) if a < start + len(text) and b > start
    ]
    if not held:
        raise UserError(
            f"the answer {text[:40]!r} is not in its context", file=example.file, line=example.line
        )
    return held[0], held[-1]
