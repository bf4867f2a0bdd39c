"""The task contract: which columns, what is predicted, how wrong a prediction is.

Most tasks have one answer an example: logits are (B, C), targets (B,) class numbers, (B, C) zeros and ones,
or (B,) numbers. A task with an answer a token has one array (U, C) an example (arrays of arrays, of dtype
object), U being the answers that the example asks for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lightune.backbones.base import HeadSpec
from lightune.backbones.encode import Encoded, Limits, encode
from lightune.core.errors import UserError
from lightune.core.rows import Example, Row
from lightune.core.shown import Shown, plain
from lightune.core.tokens import Batch, Ints, Tokens, pool_windows
from lightune.data.profile import is_missing, text_of

if TYPE_CHECKING:
    import torch

    from lightune.core.rows import Table
    from lightune.data.columns import Columns
    from lightune.data.profile import LabelProfile

Array = NDArray[Any]
Intervals = dict[str, tuple[float, float]]
CERTAIN = 20.0  # a logit that says yes


@dataclass(frozen=True)
class Prediction:
    """What a model says of one row.

    Attributes:
        label: a label name, a list of label names (`multilabel`), or a number (`regress`).
        probability: of that label; None for numbers.
        scores: label name -> probability, for all labels.
        vector: (H,) of length 1, where the task makes vectors.
    """

    label: Any
    probability: float | None
    scores: Mapping[str, float]
    vector: Any = None


class Task(ABC):
    """One kind of thing to learn. Built empty; `learn` or `restore` gives it its labels."""

    name: str
    summary: str
    kind: Literal["classes", "labels", "number", "tags", "text", "text spans", "vectors", "events", "options"]
    auto_class = "AutoModelForSequenceClassification"
    peft_type = "SEQ_CLS"
    is_per_token = False  # outputs are (B, T, C)
    added: tuple[str, ...] = ("predicted", "probability")  # the columns that `predict` adds
    best_by: str  # the metric that early stopping watches; larger is better
    also_told: tuple[str, ...] = ()  # metrics by which it is held against simpler models as well
    precedence = 0  # among tasks that recognise the data, the highest wins
    needs_label = True
    least_texts, most_texts = 1, 2  # text columns that training reads
    is_joint = False  # its loss holds the examples of a step against each other
    is_able = False  # the untouched model answers already: it is a rung of its own
    rate_share = 1.0  # of a method's usual learning rates
    weighs_by_itself = True  # rare classes are weighed up without being asked to
    has_second_round = False  # some questions can be asked only once the answers to others are known
    unsafe_privately = ""  # why it cannot keep the promise of differential privacy
    points_into_text = False  # its answers are places in the text, or words of it
    meanings: ClassVar[
        Mapping[str, str]
    ] = {}  # what its metrics mean, where that is not what they usually do
    cuts_long = ""  # what the task itself does with long texts, in words
    temperature: float | None = None  # logits are divided by it before they become probabilities

    def __init__(self) -> None:
        self.labels: tuple[str, ...] = ()

    @classmethod
    @abstractmethod
    def recognises(cls, profile: LabelProfile, num_texts: int) -> str:
        """Why this data looks like this task, in a few words; "" when it does not."""

    @classmethod
    def find_columns(
        cls, table: Table, text: tuple[str, ...] | None, label: str | None, *, is_asked: bool
    ) -> Columns | None:
        """The columns of this task where their names say them; None: as any labelled text.

        Args:
            table: the training rows.
            text, label: what the user chose; None: not said.
            is_asked: the task is known; else the names must leave no doubt.
        """
        return None

    @classmethod
    def reads(cls, text: Sequence[str]) -> tuple[str, ...]:
        """Which of the text columns of training a prediction reads."""
        return tuple(text)

    @abstractmethod
    def gold(self, row: Row, label: str, profile: LabelProfile) -> Any:
        """The gold answer of a row, typed; None when it has none."""

    @abstractmethod
    def learn(self, examples: Sequence[Example]) -> None:
        """Fix the labels (or the scale) from the training examples."""

    @abstractmethod
    def targets(self, examples: Sequence[Example]) -> Array:
        """Gold answers as numbers for the loss."""

    @abstractmethod
    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """(B,) the loss of every example."""

    @abstractmethod
    def decode(self, logits: Array, examples: Sequence[Example]) -> list[Prediction]:
        """Predictions from the logits of `examples`."""

    def margins(self, logits: Array) -> Array | None:
        """(B,) how far each row's logits are from another answer; None where an answer is no choice."""
        return None

    @abstractmethod
    def metrics(self, logits: Array, targets: Array) -> dict[str, float]:
        """Metric name -> value."""

    @abstractmethod
    def intervals(self, logits: Array, targets: Array, *, seed: int = 0) -> Intervals:
        """Metric name -> 95% bootstrap interval."""

    @abstractmethod
    def problem_type(self) -> str:
        """Transformers' name for the loss."""

    def score(
        self, predicted: Sequence[Any], targets: Array, examples: Sequence[Example]
    ) -> tuple[dict[str, float], Intervals]:
        """Metrics and intervals of answers from elsewhere (a baseline), in the form of `gold`."""
        logits = self.as_logits(predicted)
        return self.metrics(logits, targets), self.intervals(logits, targets)

    @abstractmethod
    def as_logits(self, predicted: Sequence[Any]) -> Array:
        """Logits that decode to the given answers."""

    def head_spec(self) -> HeadSpec:
        """What the network needs on top."""
        return HeadSpec(
            self.auto_class,
            len(self.labels),
            self.problem_type(),
            self.labels,
            peft_type=self.peft_type,
            is_per_token=self.is_per_token,
        )

    def row_to_example(self, row: Row, text: tuple[str, ...], gold: Any) -> Example:
        """The typed example of a row."""
        values = [row.values.get(name) for name in text]
        texts = tuple("" if is_missing(value) else text_of(value) for value in values)
        return Example(texts=texts, gold=gold, row=row.index, file=row.file, line=row.line)

    def readings(self, example: Example) -> list[tuple[str, ...]]:
        """What is read as one sequence each."""
        return [example.texts]

    def own_marks(self, example: Example) -> list[tuple[int, int]]:
        """(start, end) in the first text of what the task itself has written into it."""
        return []

    def pointed_out(self, logits: Array, example: Example, word: str) -> tuple[Example, Array | None]:
        """Of a task with answers a token: what is read for the tag of `word`, and (C,) which it may get.

        Args:
            logits: of the example.
            word: "": any.
        """
        return example, None

    def suit(self, model: str, columns: Sequence[str], asked: str) -> tuple[str, str]:
        """Fit the texts to the model before they are read: (what was chosen, why), "" for nothing.

        Args:
            model: its name.
            columns: the text columns.
            asked: `--data.prefixes`.
        """
        return "", ""

    def groups(self, examples: Sequence[Example]) -> list[object] | None:
        """(E,) what must not be parted by a split; None when every row stands for itself."""
        return None

    def using(self, pooling: str, max_length: int) -> str:
        """Python lines that follow those which load the model without lightune; "" when it answers itself."""
        return ""

    def encode(self, tokenizer: Any, examples: Sequence[Example], limits: Limits) -> Encoded:
        """Tokens of the examples."""
        return encode(tokenizer, [example.texts for example in examples], limits)

    def pool(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(U, C), a line for each answer that the batch asks for: windows of a long text are averaged."""
        return pool_windows(outputs, batch)

    def part(self, logits: Array, batch: Batch) -> Array | list[Array]:
        """What `pool` gave, by example."""
        return logits

    def join(self, targets: Array) -> Array:
        """(U, ...) targets of some examples, in the order of `pool`."""
        return targets

    def weigh(self, tokens: Tokens, rows: Ints) -> int:
        """How many answers some examples ask for: what a step's loss is the mean over."""
        return len(rows)

    def mean_loss(self, logits: Array, targets: Array) -> float:
        """The mean loss of collected logits."""
        import torch

        known, wanted = self.join(logits), self.join(targets)
        return float(self.loss(torch.from_numpy(known), torch.as_tensor(wanted)).mean())

    def losses(self, outputs: torch.Tensor, batch: Batch, targets: Array) -> torch.Tensor:
        """(U,) the loss of every answer of a batch."""
        import torch

        wanted = torch.as_tensor(self.join(targets), device=outputs.device)
        return self.loss(self.pool(outputs, batch), wanted)

    def prior(self, targets: Array) -> Array | None:
        """(C,) logits to start the outputs' biases from, where the answers are very uneven; None: zeros."""
        return None

    def second_round(self, logits: Array, examples: Sequence[Example]) -> list[Example]:
        """What to ask once the logits of `examples` are known; for those that need it, in their order."""
        return []

    def merge_rounds(self, logits: Array, second: Array, examples: Sequence[Example]) -> Array:
        """The logits of both rounds, by example, in the form that `metrics` and `decode` take."""
        return logits

    def columns_of(self, prediction: Prediction) -> dict[str, Any]:
        """What `predict` adds to a row."""
        return {"predicted": prediction.label, "probability": prediction.probability}

    def is_right(self, prediction: Prediction, example: Example) -> bool:
        """Whether a prediction is the gold answer."""
        said, gold = prediction.label, example.gold
        return sorted(said) == sorted(gold) if isinstance(gold, list) else bool(said == gold)

    def generate(self, writer: Any, examples: Sequence[Example], **options: Any) -> list[Prediction]:
        """Predictions that are new text; only tasks of the kind `text` have them."""
        raise NotImplementedError(f"{self.name} does not write texts")

    def compare_texts(self, said: Sequence[str], gold: Sequence[str]) -> tuple[dict[str, float], Intervals]:
        """Metrics of generated texts, with intervals."""
        raise NotImplementedError(f"{self.name} does not write texts")

    def gold_answer(self, example: Example) -> Any:
        """The gold answer in the form of `Prediction.label`."""
        return example.gold

    def cell(self, answer: Any, example: Example) -> Shown:
        """How a page shows an answer, the gold one or the model's."""
        return plain(answer)

    def compared(self, prediction: Prediction, example: Example) -> dict[str, Shown]:
        """How a page shows a prediction beside the gold answer: what stands above a cell -> the cell."""
        right, said = self.cell(self.gold_answer(example), example), self.cell(prediction.label, example)
        answers = {"Right answer": right, "Model's answer": said}
        text = " \u23d0 ".join(example.texts)
        return answers if right.text == said.text == text else {"Text": Shown(text), **answers}

    def badness(self, prediction: Prediction, example: Example) -> float:
        """How bad a wrong prediction is: the worst are shown first."""
        return prediction.probability or 0.0

    def balance(self, examples: Sequence[Example]) -> None:
        """Weigh classes against imbalance; tasks without classes have nothing to weigh."""
        return None

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as JSON values."""
        return {"labels": list(self.labels)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.labels = tuple(state["labels"])

    def adopt(self, state: Mapping[str, Any]) -> None:
        """Go on from an earlier training: its labels and scale; what belongs to the rows stays as learnt."""
        self.restore(state)


def label_numbers(labels: Sequence[str], examples: Sequence[Example]) -> NDArray[np.int64]:
    """(B,) class number of each example's gold label.

    Raises:
        UserError: a label that training did not have.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    for example in examples:
        if example.gold not in numbers:
            raise unseen_label(example.gold, labels, example)
    return np.array([numbers[example.gold] for example in examples], dtype=np.int64)


def unseen_label(label: object, labels: Sequence[str], example: Example) -> UserError:
    """The error for a label that the model was not trained on."""
    return UserError(
        f"the label {label!r} was not in the training data",
        file=example.file,
        line=example.line,
        hint=f"The model knows: {', '.join(labels[:20])}. Mend the label, or train again with it.",
    )


def by_example(lines: Array, batch: Batch) -> list[Array]:
    """(U, ...) lines of the units of a batch, in order -> an array for each of its examples."""
    import torch

    assert batch.units is not None
    counts = torch.zeros(batch.num_examples, dtype=torch.long, device=batch.owner.device)
    counts.index_add_(0, batch.owner, (batch.units >= 0).sum(1))
    return np.split(lines, np.cumsum(counts.cpu().numpy())[:-1])


def softmax(logits: Array) -> Array:
    """(B, C) -> (B, C), in float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
