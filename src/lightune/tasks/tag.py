"""A tag for every word: named entities, parts of speech, roles, segmentation; answered as spans of the text.

Tags of a span scheme (IOB1, IOB2, BIOES, BILOU, BMES) and spans given by characters become IOB2; the best
sequence that keeps to the scheme is found by Viterbi's algorithm (Viterbi 1967). Other tags stand for
themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lightune.backbones.encode import Encoded, Limits
from lightune.backbones.encode_words import encode_words
from lightune.core.errors import UserError
from lightune.core.rows import Example, Row
from lightune.core.shown import Shown, marks_of
from lightune.core.spans import (
    OUTSIDE,
    Span,
    is_scheme,
    join_words,
    parse_tag,
    read_spans,
    spans_of,
    to_iob2,
    words_and_tags,
)
from lightune.core.tokens import Batch, Ints, Tokens
from lightune.data.profile import is_missing, label_name
from lightune.tasks.base import CERTAIN, Array, Intervals, Prediction, Task, by_example, softmax

if TYPE_CHECKING:
    import torch

    from lightune.data.profile import LabelProfile

UNSEEN, UNSEEN_BEGINS, UNSEEN_GOES_ON = -1, -2, -3
UNSEEN_TAGS = {UNSEEN: "?", UNSEEN_BEGINS: "B-?", UNSEEN_GOES_ON: "I-?"}
MOST_UNSEEN = 0.5  # of the spans or tags: more, and the file is of another kind


class Tag(Task):
    """One tag for every word."""

    name = "tag"
    points_into_text = True
    summary = "a tag for every word, or spans with a type"
    kind = "tags"
    auto_class = "AutoModelForTokenClassification"
    peft_type = "TOKEN_CLS"
    is_per_token = True
    added = ("spans",)
    precedence = 10
    meanings: ClassVar[Mapping[str, str]] = {
        "accuracy": "share of words with the right tag; where most words have none, it is high by itself",
        "f1": "balance of entities found and made up; both ends and the type must be right",
        "precision": "of the entities found, the share that are right",
        "recall": "of the right entities, the share found",
    }

    def __init__(self) -> None:
        super().__init__()
        self.has_spans = True

    @property
    def best_by(self) -> str:  # type: ignore[override]
        """Entities by their F1, tags by accuracy."""
        return "f1" if self.has_spans else "accuracy"

    @classmethod
    def recognises(cls, profile: LabelProfile, num_texts: int) -> str:
        """Lists of spans, or as many tags as words."""
        if profile.form == "spans":
            return f"spans of the text, of {len(profile.distinct)} types"
        return f"a tag a word, {len(profile.distinct)} distinct" if profile.form == "tags" else ""

    def gold(self, row: Row, label: str, profile: LabelProfile) -> Any:
        """A list of tags or of spans as the row has it."""
        value = row.values.get(label)
        return None if is_missing(value) else value

    def row_to_example(self, row: Row, text: tuple[str, ...], gold: Any) -> Example:
        """Words and their places, with a tag each where the gold answer is known."""
        value = row.values.get(text[0])
        if isinstance(value, (list, tuple)):
            whole, words = join_words([str(word) for word in value])
            tags = None if gold is None else _tags_of(gold, words, row)
        else:
            whole = "" if value is None else str(value)
            spans = None if gold is None else read_spans(gold)
            if gold is not None and spans is None:
                raise _not_spans(gold, row)
            words, found = words_and_tags(whole, spans or [])
            tags = None if spans is None else tuple(found)
        return Example((whole,), tags, row.index, row.file, row.line, words)

    def learn(self, examples: Sequence[Example]) -> None:
        """`O` first, then the types in alphabetical order."""
        tags = {tag for example in examples for tag in example.gold}
        self.has_spans = is_scheme(tags)
        if self.has_spans:
            kinds = sorted({parse_tag(tag)[1] for tag in tags} - {""})
            self.labels = (OUTSIDE, *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))
        elif tags == {OUTSIDE}:
            raise UserError("no word of the training texts has a tag: every one is O", file=examples[0].file)
        else:
            self.labels = tuple(sorted(tags))

    def targets(self, examples: Sequence[Example]) -> Array:
        """(E,) arrays (U,) of tag numbers; negative for tags that training did not have."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        found = np.empty(len(examples), dtype=object)
        num_unseen = num_all = 0
        for place, example in enumerate(examples):
            tags = self._own_form(example.gold)
            found[place] = np.array([numbers.get(tag, _unseen(tag)) for tag in tags], dtype=np.int64)
            num_unseen += int((found[place] < 0).sum())
            num_all += sum(tag != OUTSIDE for tag in tags)
        if num_unseen > MOST_UNSEEN * num_all:
            hint = f"The model knows: {', '.join(self.labels[:20])}."
            raise UserError(
                f"{num_unseen} of {num_all} tags are none that training had", file=examples[0].file, hint=hint
            )
        return found

    def encode(self, tokenizer: Any, examples: Sequence[Example], limits: Limits) -> Encoded:
        """Every word answered for by its first token; long texts always in windows."""
        return encode_words(tokenizer, examples, limits)

    def pool(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(B, T, C) -> (U, C): the outputs at the first token of every word, in order."""
        assert batch.units is not None
        return outputs[batch.units >= 0]

    def part(self, logits: Array, batch: Batch) -> list[Array]:
        """(U, C) -> an array for each example."""
        return by_example(logits, batch)

    def join(self, targets: Array) -> Array:
        """All words of some examples."""
        return np.concatenate(list(targets)) if len(targets) else np.zeros(0, dtype=np.int64)

    def prior(self, targets: Array) -> Array:
        """Log frequencies of the tags (Lin et al. 2017, arXiv:1708.02002, section 4.1): most words are O."""
        known = self.join(targets)
        counts = np.bincount(known[known >= 0], minlength=len(self.labels)) + 1.0
        return np.asarray(np.log(counts / counts.sum()), dtype=np.float32)

    def weigh(self, tokens: Tokens, rows: Ints) -> int:
        """All tokens that are asked for."""
        return tokens.num_answers(rows)

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of every word; unseen tags count nothing."""
        import torch

        return torch.nn.functional.cross_entropy(
            logits, targets.clamp(min=UNSEEN), ignore_index=UNSEEN, reduction="none"
        )

    def decode(self, logits: Array, examples: Sequence[Example]) -> list[Prediction]:
        """Spans with the geometric mean of their words' probabilities."""
        found = []
        for one, example in zip(logits, examples, strict=True):
            numbers = self._best(one)
            sure = softmax(one)[np.arange(len(one)), numbers] if len(one) else np.zeros(0)
            spans = [
                {
                    "start": example.words[first][0],
                    "end": example.words[last - 1][1],
                    "type": kind,
                    "text": example.texts[0][example.words[first][0] : example.words[last - 1][1]],
                    "probability": float(np.exp(np.log(sure[first:last]).mean())),
                }
                for first, last, kind in self._spans(numbers)
            ]
            probability = float(np.exp(np.log(sure).mean())) if len(sure) else None
            found.append(Prediction(spans, probability, {}))
        return found

    def columns_of(self, prediction: Prediction) -> dict[str, Any]:
        """The spans of a row."""
        return {"spans": prediction.label}

    def is_right(self, prediction: Prediction, example: Example) -> bool:
        """The same spans of the same types."""
        said = {(span["start"], span["end"], span["type"]) for span in prediction.label}
        return said == {(span["start"], span["end"], span["type"]) for span in self.gold_answer(example)}

    def gold_answer(self, example: Example) -> Any:
        """Spans by characters."""
        tags = self._own_form(example.gold)
        places = spans_of(tags) if self.has_spans else [(n, n + 1, tag) for n, tag in enumerate(tags)]
        return [
            {"start": example.words[first][0], "end": example.words[last - 1][1], "type": kind}
            for first, last, kind in places
        ]

    def cell(self, answer: Any, example: Example) -> Shown:
        """The text with the spans in it."""
        return Shown(example.texts[0], marks_of(answer))

    def metrics(self, logits: Array, targets: Array) -> dict[str, float]:
        """Accuracy of words; precision, recall, f1 of whole spans (by type: `f1_TYPE`)."""
        from lightune.evaluate.spans import by_type, span_counts, span_metrics

        said = [self._best(one) for one in logits]
        right = sum(int((one == gold).sum()) for one, gold in zip(said, targets, strict=True))
        found = {"accuracy": right / max(1, sum(map(len, targets)))}
        if not self.has_spans:
            return found
        gold_spans, said_spans = [self._spans(one) for one in targets], [self._spans(one) for one in said]
        found |= span_metrics(span_counts(gold_spans, said_spans))
        kinds = by_type(gold_spans, said_spans)
        return found | {f"f1_{kind}": row["f1"] for kind, row in kinds.items() if row["support"]}

    def intervals(self, logits: Array, targets: Array, *, seed: int = 0) -> Intervals:
        """95% bootstrap intervals, sentences drawn."""
        from lightune.evaluate.intervals import bootstrap
        from lightune.evaluate.spans import bootstrap_spans, span_counts

        said = [self._best(one) for one in logits]
        right = np.array([(one == gold).sum() for one, gold in zip(said, targets, strict=True)])
        number = np.array([len(gold) for gold in targets])
        found = bootstrap(
            lambda rows: {"accuracy": float(right[rows].sum() / max(1, number[rows].sum()))},
            len(right),
            seed=seed,
        )
        if self.has_spans:
            counts = span_counts([self._spans(one) for one in targets], [self._spans(one) for one in said])
            found |= bootstrap_spans(counts, seed=seed)
        return found

    def problem_type(self) -> str:
        """Transformers' name for cross-entropy."""
        return "single_label_classification"

    def as_logits(self, predicted: Sequence[Any]) -> Array:
        """One-hot rows of tags, scaled."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        found = np.empty(len(predicted), dtype=object)
        for place, tags in enumerate(predicted):
            known = [numbers.get(tag, 0) for tag in self._own_form(tags)]
            found[place] = np.eye(len(self.labels))[known].reshape(-1, len(self.labels)) * CERTAIN
        return found

    def state(self) -> dict[str, Any]:
        """Labels, and whether they mark spans."""
        return {**super().state(), "has_spans": self.has_spans}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        super().restore(state)
        self.has_spans = bool(state["has_spans"])

    def _own_form(self, tags: Sequence[str]) -> list[str]:
        """IOB2 where the tags are of a scheme."""
        return to_iob2(spans_of(tags), len(tags)) if self.has_spans else list(tags)

    def _spans(self, numbers: Array) -> list[Span]:
        """(first word, behind the last, type) of tag numbers; word by word where tags mark no spans."""
        tags = [self.labels[number] if number >= 0 else UNSEEN_TAGS[int(number)] for number in numbers]
        return spans_of(tags) if self.has_spans else [(n, n + 1, tag) for n, tag in enumerate(tags)]

    def _best(self, logits: Array) -> Array:
        """(U, C) -> (U,) the most probable tags; in a scheme, the most probable sequence that keeps to it."""
        order = iob2_order(self.labels) if self.has_spans else None
        if order is not None:
            return np.asarray(order[best_tags(logits[:, order])])
        return logits.argmax(axis=1) if len(logits) else np.zeros(0, dtype=np.int64)


def iob2_order(labels: Sequence[str]) -> Array | None:
    """Where `O`, then a B and an I for each type, stand among labels of elsewhere; None: another scheme."""
    place = {label: number for number, label in enumerate(labels)}
    kinds = sorted({parse_tag(label)[1] for label in labels} - {""})
    wanted = [OUTSIDE, *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI")]
    return np.array([place[one] for one in wanted]) if set(wanted) == set(labels) else None


def best_tags(logits: Array) -> Array:
    """(U, C) -> (U,) the most probable sequence of IOB2 tags: `O` is 0, then a B and an I for each type."""
    best = logits.argmax(axis=1) if len(logits) else np.zeros(0, dtype=np.int64)
    if _keeps_to_iob2(best):
        return best
    return _viterbi(logits - logits.max(axis=1, keepdims=True) - _log_total(logits))


def _tags_of(gold: Any, words: Sequence[tuple[int, int]], row: Row) -> tuple[str, ...]:
    """The tags of given words, from tags or from spans by characters."""
    if isinstance(gold, (list, tuple)) and len(gold) == len(words) and not read_spans(gold):
        return tuple(label_name(tag) for tag in gold)
    spans = read_spans(gold)
    if spans is None:
        number = len(gold) if isinstance(gold, (list, tuple)) else 1
        raise UserError(
            f"there are {len(words)} words and {number} tags",
            file=row.file,
            line=row.line,
            hint="Each word needs one tag.",
        )
    inside = [
        (held[0], held[-1] + 1, kind)
        for start, end, kind in spans
        if (held := [number for number, (a, b) in enumerate(words) if a < end and b > start])
    ]
    return tuple(to_iob2(inside, len(words)))


def _not_spans(gold: Any, row: Row) -> UserError:
    hint = 'A text needs spans such as [{"start": 0, "end": 5, "label": "PER"}]; words need a tag each.'
    return UserError(f"{str(gold)[:40]!r} is no list of spans", file=row.file, line=row.line, hint=hint)


def _unseen(tag: str) -> int:
    prefix, _ = parse_tag(tag)
    return {"B": UNSEEN_BEGINS, "I": UNSEEN_GOES_ON}.get(prefix, UNSEEN)


def _keeps_to_iob2(numbers: Array) -> bool:
    """Whether every I (an even number above 0) follows a B or I of its type. O is 0, B odd, I even."""
    inside = (numbers > 0) & (numbers % 2 == 0)
    before = np.concatenate([[0], numbers[:-1]])
    return bool(np.all(~inside | (before == numbers) | (before == numbers - 1)))


def _viterbi(scores: Array) -> Array:
    """(U, C) log probabilities -> (U,) the best sequence in which I follows B or I of its type only."""
    number = scores.shape[1]
    tags = np.arange(number)
    is_inside = (tags > 0) & (tags % 2 == 0)
    allowed = ~is_inside[None, :] | (tags[:, None] == tags[None, :]) | (tags[:, None] == tags[None, :] - 1)
    bans = np.where(allowed, 0.0, -np.inf)
    total = np.where(is_inside, -np.inf, scores[0].astype(np.float64))
    back = np.zeros(scores.shape, dtype=np.int64)
    for place in range(1, len(scores)):
        ways = total[:, None] + bans
        back[place] = ways.argmax(axis=0)
        total = ways[back[place], tags] + scores[place]
    path = [int(total.argmax())]
    for place in range(len(scores) - 1, 0, -1):
        path.append(int(back[place][path[-1]]))
    return np.array(path[::-1], dtype=np.int64)


def _log_total(logits: Array) -> Array:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(shifted.astype(np.float64)).sum(axis=1, keepdims=True)))
