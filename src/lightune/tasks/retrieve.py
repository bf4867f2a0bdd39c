"""Vectors for texts, so that texts which belong together are near: search, matching, translation pairs.

Pairs and triplets train by in-batch negatives: the positives (and negatives) of the other examples of a
piece are what the right one must be told from (Henderson et al. 2017, arXiv:1705.00652; for sentence vectors
Reimers and Gurevych 2019). Pairs with a number train by order: of two pairs, the one with the larger number
must be the more similar (CoSENT, Su 2022), compared row by row.

Letters: B examples, W texts of each (2, or 3 with a negative), H width of a vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune.backbones.base import HeadSpec
from lightune.backbones.encode import Encoded, Limits
from lightune.backbones.encode_sides import encode_sides
from lightune.core.errors import UserError
from lightune.core.rows import Example, Row
from lightune.core.shown import Shown
from lightune.core.tokens import Batch
from lightune.data.profile import is_missing, to_number
from lightune.data.sides import texts_in
from lightune.tasks.base import Array, Intervals, Prediction, Task

if TYPE_CHECKING:
    import torch

    from lightune.data.profile import LabelProfile

SCALE = 20.0  # cosines times this are logits (Reimers and Gurevych's value)
COMPARED = 1024  # examples that are compared with each other at once
DIGITS = 7  # of a written vector: float32 has no more


class Retrieve(Task):
    """A unit vector for every text."""

    name = "retrieve"
    unsafe_privately = (
        "its loss holds the rows of a step against each other, so no row has a gradient of its own"
    )
    summary = "vectors of texts: those that belong together are near"
    kind = "vectors"
    auto_class = "AutoModel"
    peft_type = "FEATURE_EXTRACTION"
    added = ("vector",)
    needs_label = False
    least_texts, most_texts = 2, 3
    is_able = True
    is_joint = True
    # The vectors are good before the training: at LoRA's usual 2e-3 recall@1 of 500 fell from 0.984 to 0.980,
    # at a tenth it rose to 0.986 (Debian Reference, en-zh, e5-multilingual, 2026-11).
    rate_share = 0.1

    def __init__(self) -> None:
        super().__init__()
        self.is_scored = False
        self.sides: tuple[str, ...] = ()
        self.prefixes = ("", "")

    @property
    def best_by(self) -> str:  # type: ignore[override]
        """Pairs by what is found first, numbers by their order."""
        return "spearman" if self.is_scored else "recall@1"

    @classmethod
    def recognises(cls, profile: LabelProfile, num_texts: int) -> str:
        """Never by labels: it has none. The names of the columns tell (`data/sides.py`)."""
        return ""

    @classmethod
    def reads(cls, text: Sequence[str]) -> tuple[str, ...]:
        """A prediction reads one text: the first side."""
        return tuple(text[:1])

    def gold(self, row: Row, label: str | None, profile: LabelProfile) -> float | None:
        """The similarity, or 1 where texts simply belong together.

        Raises:
            UserError: something that is no finite number.
        """
        if not label:
            return 1.0
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
                hint="Similarities are numbers; pairs that simply belong together need no such column.",
            )
        return number

    def row_to_example(self, row: Row, text: tuple[str, ...], gold: Any) -> Example:
        """The texts, of several in a cell the first; a single text stands in its side's place."""
        texts = ["".join(texts_in(name, row.values.get(name))[:1]) for name in text]
        if len(text) == 1 and text[0] in self.sides:
            texts = [""] * self.sides.index(text[0]) + texts
        elif not all(one.strip() for one in texts):
            gold = None
        return Example(tuple(texts), gold, row.index, row.file, row.line)

    def learn(self, examples: Sequence[Example]) -> None:
        """Whether there are numbers to be followed."""
        self.is_scored = len({example.gold for example in examples}) > 1
        if self.is_scored and len(examples[0].texts) > 2:
            hint = "Leave --label out, or name two columns with --text."
            raise UserError("a similarity is of two texts, not of three", file=examples[0].file, hint=hint)

    def targets(self, examples: Sequence[Example]) -> Array:
        """(B, W) a number for each text, the same for equal texts; or (B,) similarities."""
        if self.is_scored:
            return np.array([example.gold for example in examples], dtype=np.float32)
        return np.array([[_number_of(text) for text in one.texts] for one in examples], dtype=np.int64)

    def readings(self, example: Example) -> list[tuple[str, ...]]:
        """Each text by itself, behind its prefix."""
        sides = [self.prefixes[min(side, 1)] + text for side, text in enumerate(example.texts) if text]
        return [(one,) for one in sides or [self.prefixes[0]]]

    def encode(self, tokenizer: Any, examples: Sequence[Example], limits: Limits) -> Encoded:
        """One sequence a text, cut at the limit."""
        return encode_sides(tokenizer, [self.readings(example) for example in examples], limits)

    def suit(self, model: str, columns: Sequence[str], asked: str) -> tuple[str, str]:
        """Take the prefixes that the model was trained with, or those asked for."""
        from lightune.backbones.prefixes import choose_prefixes

        self.sides = tuple(columns)
        self.prefixes, why = choose_prefixes(model, columns, asked)
        chosen = " and ".join(map(repr, self.prefixes)) if any(self.prefixes) else "none"
        return (chosen if why else ""), why

    def groups(self, examples: Sequence[Example]) -> list[object] | None:
        """Rows with the same first text stay together."""
        return [_number_of(example.texts[0]) for example in examples]

    def pool(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(B * W, H) -> (B, W, H) unit vectors."""
        import torch

        unit = torch.nn.functional.normalize(outputs.float(), dim=-1)
        return unit.reshape(batch.num_examples, -1, unit.shape[-1])

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """(B, W, H), (B, W) or (B,) -> (B,), at most `COMPARED` examples held against each other."""
        import torch

        one = order_loss if self.is_scored else in_batch_loss
        pairs = zip(torch.split(logits, COMPARED), torch.split(targets, COMPARED), strict=True)
        return torch.cat([one(vectors, wanted) for vectors, wanted in pairs])

    def decode(self, logits: Array, examples: Sequence[Example]) -> list[Prediction]:
        """The first text's vector; where the examples have a second, the nearest of all those as label."""
        vectors = np.asarray(logits[:, 0], dtype=np.float32) if logits.ndim == 3 else np.zeros((0, 1))
        labels: list[Any] = [None] * len(examples)
        similar: list[float | None] = [None] * len(examples)
        own = [0.0] * len(examples)
        if len(examples) and logits.shape[1] > 1 and not self.is_scored:
            from lightune.evaluate.retrieval import nearest

            places, values = nearest(vectors, logits[:, 1], 1)
            labels = [examples[place].texts[1] for place in places[:, 0]]
            similar = [float(value) for value in values[:, 0]]
            own = [float(value) for value in (vectors * logits[:, 1]).sum(axis=1)]
        elif len(examples) and logits.shape[1] > 1:
            labels = [float(value) for value in (vectors * logits[:, 1]).sum(axis=1)]
        return [
            Prediction(label, None, {} if value is None else {"similarity": value, "of_right": right}, vector)
            for label, value, right, vector in zip(labels, similar, own, vectors, strict=True)
        ]

    def columns_of(self, prediction: Prediction) -> dict[str, Any]:
        """`vector`, a list of numbers."""
        assert prediction.vector is not None
        return {"vector": [round(float(value), DIGITS) for value in prediction.vector]}

    def is_right(self, prediction: Prediction, example: Example) -> bool:
        """Whether the nearest text is the example's own; numbers are neither right nor wrong."""
        return self.is_scored or prediction.label == example.texts[1]

    def gold_answer(self, example: Example) -> Any:
        """The second text, or the number."""
        return example.gold if self.is_scored else example.texts[1]

    def compared(self, prediction: Prediction, example: Example) -> dict[str, Shown]:
        """What was searched with, what should have been found, and what was."""
        right, found = (
            (f"cosine {prediction.scores[name]:.3f}",) if name in prediction.scores else ()
            for name in ("of_right", "similarity")
        )
        return {
            "Searched with": Shown(example.texts[0]),
            "Should be found": Shown(example.texts[1], notes=right),
            "Found first": Shown(str(prediction.label), notes=found),
        }

    def badness(self, prediction: Prediction, example: Example) -> float:
        """How much nearer the wrong text is than the right one."""
        return prediction.scores.get("similarity", 0.0) - prediction.scores.get("of_right", 0.0)

    def metrics(self, logits: Array, targets: Array) -> dict[str, float]:
        """recall@1, recall@5, recall@10, mrr, with a negative triplet_accuracy; spearman for numbers."""
        return self._measure([logits[:, side] for side in range(logits.shape[1])], targets)[0]

    def intervals(self, logits: Array, targets: Array, *, seed: int = 0) -> Intervals:
        """95% bootstrap intervals over queries, or over pairs."""
        return self._measure([logits[:, side] for side in range(logits.shape[1])], targets, seed)[1]

    def score(
        self, predicted: Sequence[Any], targets: Array, examples: Sequence[Example]
    ) -> tuple[dict[str, float], Intervals]:
        """Metrics of a baseline's vectors, which are a matrix (B, V) for every side."""
        return self._measure(predicted, targets, 0)

    def as_logits(self, predicted: Sequence[Any]) -> Array:
        """(B, W, H) from W matrices (B, H)."""
        return np.stack(list(predicted), axis=1)

    def problem_type(self) -> str:
        """Transformers has no loss for it."""
        return ""

    def head_spec(self) -> HeadSpec:
        """The pooled vector itself."""
        return HeadSpec(self.auto_class, 0, "", (), peft_type=self.peft_type, is_vector=True)

    def using(self, pooling: str, max_length: int) -> str:
        """Python lines that make vectors with `model` and `tokenizer`."""
        return USING.format(prefix=self.prefixes[0], length=max_length, pooled=POOLED[pooling])

    def state(self) -> dict[str, Any]:
        """What the columns are, and what is put before their texts."""
        own = {"is_scored": self.is_scored, "sides": list(self.sides), "prefixes": list(self.prefixes)}
        return {**super().state(), **own}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        super().restore(state)
        self.is_scored, self.sides = bool(state["is_scored"]), tuple(state["sides"])
        self.prefixes = (str(state["prefixes"][0]), str(state["prefixes"][1]))

    def _measure(
        self, sides: Sequence[Any], targets: Array, seed: int | None = None
    ) -> tuple[dict[str, float], Intervals]:
        """Metrics, and intervals where a seed is given, of W matrices (B, H)."""
        from lightune.evaluate import retrieval
        from lightune.evaluate.intervals import bootstrap
        from lightune.evaluate.numbers import correlation, ranks

        number = len(targets)
        if self.is_scored:
            gold = targets.astype(np.float64)
            said = retrieval.similarities(sides[0], sides[1])

            def of_rows(rows: Array) -> dict[str, float]:
                return {"spearman": correlation(ranks(gold[rows]), ranks(said[rows]))}

            return of_rows(np.arange(number)), {} if seed is None else bootstrap(of_rows, number, seed=seed)
        found = retrieval.ranks_of(sides[0], sides[1], targets)
        metrics = retrieval.ranking_metrics(found)
        intervals = {} if seed is None else retrieval.ranking_intervals(found, seed=seed)
        if len(sides) > 2:
            is_nearer = retrieval.nearer(*sides[:3])
            metrics["triplet_accuracy"] = float(is_nearer.mean())
            if seed is not None:
                intervals |= bootstrap(
                    lambda rows: {"triplet_accuracy": float(is_nearer[rows].mean())}, number, seed=seed
                )
        return metrics, intervals


USING = """
import torch

texts = ["a text"]
inputs = tokenizer(
    [{prefix!r} + text for text in texts],
    padding=True, truncation=True, max_length={length}, return_tensors="pt",
)
with torch.no_grad():
    hidden = model.eval()(**inputs).last_hidden_state
mask = inputs["attention_mask"][..., None]
vectors = torch.nn.functional.normalize({pooled}, dim=-1)
"""
POOLED = {
    "mean": "(hidden * mask).sum(1) / mask.sum(1)",
    "first": "hidden[:, 0]",
    "last": "hidden[torch.arange(len(hidden)), mask[..., 0].sum(1) - 1]",
}


def in_batch_loss(vectors: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """(B,) -log softmax of the right text's similarity among the positives and negatives of all B.

    A text equal to the right one, to the query, or right for an equal query is not held against it.

    Args:
        vectors: (B, W, H) of length 1.
        numbers: (B, W), the same for equal texts.
    """
    import torch

    query, right = numbers[:, :1], numbers[:, 1:2]
    candidates = torch.cat([vectors[:, side] for side in range(1, vectors.shape[1])])
    ids = torch.cat([numbers[:, side] for side in range(1, vectors.shape[1])])[None, :]
    similar = SCALE * vectors[:, 0] @ candidates.T
    is_equal = (ids == right) | (ids == query)
    is_equal[:, : len(query)] |= query == query.T
    own = torch.arange(len(query), device=vectors.device)
    is_equal[own, own] = False
    return torch.nn.functional.cross_entropy(similar.masked_fill(is_equal, -torch.inf), own, reduction="none")


def order_loss(vectors: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """(B,) log(1 + sum over j of exp(scale (cos_j - cos_i))), over pairs j with a smaller number than i's.

    Args:
        vectors: (B, 2, H) of length 1.
        wanted: (B,) similarities, in any unit.
    """
    import torch

    similar = SCALE * (vectors[:, 0] * vectors[:, 1]).sum(-1)
    is_smaller = wanted[None, :] < wanted[:, None]
    excess = (similar[None, :] - similar[:, None]).masked_fill(~is_smaller, -torch.inf)
    return torch.cat([excess, torch.zeros_like(excess[:, :1])], dim=1).logsumexp(1)


def _number_of(text: str) -> int:
    """64 bits of a hash, equal for texts that differ in case and blanks only, the same in every process."""
    plain = " ".join(text.casefold().split()).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(plain, digest_size=8).digest(), "little", signed=True)
