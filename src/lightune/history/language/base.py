"""The contract of a language model: learn from a corpus, then say how probable a text is, and write one.

One unit for all kinds is bits per byte: -log2 P of the held-out texts over the bytes of their UTF-8. A model
that says where a text ends is asked for that too, and the end counts as one byte, the line feed in a file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.settings import Settings as Group
from lightune.data.corpus import Corpus

FloatArray = NDArray[np.float64]
END = "\n"  # how the end of a text is shown among its tokens


class NoSettings(Group):
    """A group without a field."""


@dataclass
class Log:
    """What a kind tells while it learns. Plain values only: a kind keeps it with its checkpoint.

    Attributes:
        rows: one a measurement: `step` and any of epoch, train_loss, bits_per_byte, tokens_per_second.
        samples: (step, text that the model wrote then).
        facts: (what, value, reason) that were derived.
        scores: more figures of the finished model: name -> {value, low, high} or a number.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    samples: list[tuple[int, str]] = field(default_factory=list)
    facts: list[tuple[str, str, str]] = field(default_factory=list)
    scores: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Lesson:
    """What a kind learns from, and how.

    Attributes:
        train, validation: the corpora; the second is for early stopping and for measuring, never learnt from.
        settings: of the kind's `Settings`, `--pretrain.*`.
        loop: of the kind's `Loop`, `--train.*`.
        work: a folder that outlives a killed process: checkpoints go there, `--resume` finds them.
        is_resumed: whether the person gave --resume; there may still be nothing in `work`.
        seconds: most time to learn for (`--budget`); None: as long as it takes.
        model: an existing model to go on from (`--model`); tokenizer: one to use (`--tokenizer`);
            embeddings: a run of word vectors to begin with (`--embeddings`). "" means none.
        num_bytes: the size of `train`, for bars.
    """

    train: Corpus
    validation: Corpus
    settings: Any
    loop: Any
    seed: int
    show: Show
    work: Path
    log: Log
    is_resumed: bool = False
    seconds: float | None = None
    model: str = ""
    tokenizer: str = ""
    embeddings: str = ""
    num_bytes: int = 0


@dataclass(frozen=True)
class Scored:
    """How probable a text is.

    Attributes:
        tokens: the pieces of the text in order; END last where the model says where texts end.
        log_probabilities: (T,) natural logarithms of P(token | those before it), or, of a masked model,
            of P(token | all others).
        num_bytes: bytes of the text's UTF-8, and one for the end where it is scored.
    """

    tokens: tuple[str, ...]
    log_probabilities: FloatArray
    num_bytes: int

    @property
    def log_probability(self) -> float:
        """Log P of the text by the chain rule: the sum over its tokens."""
        return float(self.log_probabilities.sum())

    @property
    def bits_per_byte(self) -> float:
        """-log2 P for each byte of the text."""
        return -self.log_probability / float(np.log(2)) / max(self.num_bytes, 1)


@dataclass(frozen=True)
class How:
    """How the next token is chosen: the likeliest (temperature 0), or drawn."""

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    beams: int = 1
    seed: int = 0


class LanguageModel(ABC):
    """One kind of language model; its file's name is the option of `--kind`.

    A kind that gives no probabilities (word vectors) leaves `score`, `distribution` and `generate` as they
    are, sets `has_probabilities` to False, and puts its own figures into `lesson.log.scores`.

    Attributes:
        summary: one line of help; paper: author, year, address.
        Settings: `--pretrain.*`; Loop: `--train.*`, `NoSettings` where there is no such loop.
        has_probabilities: whether texts can be scored; is_pseudo: whether each token is predicted from both
            sides, so that the sum is a pseudo-log-likelihood and no probability of the text.
        can_write: whether it writes texts.
        takes: which of the flags model, tokenizer and embeddings it knows.
    """

    summary: ClassVar[str]
    paper: ClassVar[str]
    Settings: ClassVar[type[Group]] = NoSettings
    Loop: ClassVar[type[Group]] = NoSettings
    has_probabilities: ClassVar[bool] = True
    is_pseudo: ClassVar[bool] = False
    can_write: ClassVar[bool] = True
    takes: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    @abstractmethod
    def train(cls, lesson: Lesson) -> Self:
        """Learn from a corpus; the same lesson and seed give the same model.

        Raises:
            UserError: a corpus that this kind cannot learn from.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write all that `load` needs into a folder; no pickle."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Open what `save` wrote."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Plain facts for the card and the JSON: vocabulary, parameters or ngrams, what was derived."""

    @property
    def vocabulary(self) -> Sequence[str]:
        """The V tokens in the order of `distribution`."""
        raise self._cannot("has no vocabulary of next tokens")

    def score(self, text: str) -> Scored:
        """The probability of a text, token by token."""
        raise self._cannot("gives no probabilities")

    def score_all(self, texts: Iterable[str], show: Show) -> list[Scored]:
        """As `score`, for many texts; a kind with batches overrides it."""
        known = list(texts)
        found = []
        with show.bar("scoring", len(known)) as bar:
            for text in known:
                found.append(self.score(text))
                bar.advance()
        return found

    def distribution(self, prefix: str) -> FloatArray:
        """(V,) P(next token | prefix), which sums to 1; of a masked model for the last token of a text."""
        raise self._cannot("gives no probabilities")

    def generate(self, prompt: str, how: How) -> str:
        """New text that goes on from `prompt`, without it."""
        raise self._cannot("does not write texts")

    def _cannot(self, what: str) -> UserError:
        kind = type(self).__module__.rsplit(".", 1)[-1]
        return UserError(f"a model of kind {kind} {what}", hint="Kinds that do: ngram, lstm, gpt.")


def draw(probabilities: FloatArray, how: How, generator: np.random.Generator) -> int:
    """One token from (V,) probabilities, by temperature, top-k and top-p (Holtzman et al. 2020)."""
    if how.temperature == 0:
        return int(probabilities.argmax())
    with np.errstate(divide="ignore"):
        scaled = np.log(probabilities) / how.temperature
    shares = np.exp(scaled - scaled.max())
    order = np.argsort(-shares, kind="stable")
    if how.top_k:
        shares[order[how.top_k :]] = 0
    shares /= shares.sum()
    if how.top_p < 1:
        before = np.cumsum(shares[order]) - shares[order]
        shares[order[before >= how.top_p]] = 0
        shares /= shares.sum()
    return int(generator.choice(len(shares), p=shares))
