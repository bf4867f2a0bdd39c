"""A bidirectional LSTM trained from nothing: the standard before Transformers (Graves and Schmidhuber 2005).

For tags, Huang, Xu and Yu 2015 (arXiv:1508.01991) without the CRF; a word is known by itself and by its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightune.history import _recurrent as recurrent
from lightune.history._pieces import Vocabulary
from lightune.history.base import Baseline, Texts

if TYPE_CHECKING:
    import torch

ENDING = 3  # letters at the end of a word that say much about its tag


class Lstm(Baseline):
    """Embedded words, one layer in both directions, the largest and the mean state; early stopping."""

    name = "lstm"
    summary = "a bidirectional LSTM trained from nothing"
    kinds = frozenset({"classes", "labels", "number", "tags"})
    generation = 5
    cost = 50.0

    def fit(self, texts: Texts, gold: Sequence[Any]) -> Lstm:
        """Learn the words' vectors and the network together."""
        import torch

        self._learn_words(texts)
        self._learn_answers(gold)
        rows = self._numbers(texts)
        sizes = tuple(len(known) + 1 for known in self.known_) if self.kind == "tags" else ()
        self.shape_ = recurrent.Shape(
            sizes or (self.vocabulary_.size,), len(rows[0]), max(len(self.names_), 1), self.kind == "tags"
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.parts_ = recurrent.build(self.shape_)
            recurrent.train(self.parts_, self.shape_, rows, self._loss(gold), seed=self.seed)
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """One answer per row, in the form of gold."""
        found = recurrent.answer(self.parts_, self.shape_, self._numbers(texts))
        if self.kind == "number":
            return [float(one[0]) * self.spread_ + self.middle_ for one in found]
        if self.kind == "labels":
            return [[name for name, one in zip(self.names_, row, strict=False) if one > 0] for row in found]
        if self.kind == "classes":
            return [self.names_[int(one.argmax())] for one in found]
        tags = [[self.names_[number] for number in one.argmax(axis=1)] for one in found]
        most_frequent = self.names_[0]
        return [
            (known + [most_frequent] * len(words))[: len(words)]
            for known, words in zip(tags, texts, strict=True)
        ]

    def _learn_words(self, texts: Texts) -> None:
        """Number the words; one that is seen once is as unknown as a new one, unless there are few rows."""
        least = 2 if len(texts) >= 1000 else 1
        if self.kind != "tags":
            self.vocabulary_ = Vocabulary([text for row in texts for text in row], least=least)
            return
        self.known_ = []
        for how in (_word, _ending):
            counts = Counter(how(word) for words in texts for word in words)
            kept = sorted(one for one in counts if counts[one] >= least)
            self.known_.append({one: number for number, one in enumerate(kept, 1)})

    def _learn_answers(self, gold: Sequence[Any]) -> None:
        """Name the outputs, the most frequent first; numbers have one output, of mean 0 and deviation 1."""
        self.names_: list[str] = []
        if self.kind == "number":
            self.middle_, self.spread_ = float(np.mean(gold)), float(np.std(gold)) or 1.0
            return
        flat = gold if self.kind == "classes" else [one for row in gold for one in row]
        self.names_ = [name for name, _ in sorted(Counter(flat).items(), key=lambda one: (-one[1], one[0]))]

    def _numbers(self, texts: Texts) -> list[list[recurrent.Numbers]]:
        """For each row its sides, each (T, F)."""
        if self.kind != "tags":
            return [[self.vocabulary_.numbers(text)[:, None] for text in row] for row in texts]
        words, endings = self.known_
        return [
            [
                np.array(
                    [(words.get(_word(one), 0), endings.get(_ending(one), 0)) for one in row], dtype=np.int64
                ).reshape(-1, 2)
            ]
            for row in texts
        ]

    def _loss(self, gold: Sequence[Any]) -> Callable[[torch.Tensor, NDArray[np.int64]], torch.Tensor]:
        """Outputs and numbers of rows -> the mean loss."""
        import torch
        from torch.nn import functional

        numbers = {name: number for number, name in enumerate(self.names_)}
        if self.kind == "number":
            wanted = torch.tensor((np.array(gold) - self.middle_) / self.spread_, dtype=torch.float32)
            return lambda said, rows: functional.mse_loss(said[:, 0], wanted[rows])
        if self.kind == "labels":
            has = torch.tensor([[name in row for name in self.names_] or [False] for row in gold]).float()
            return lambda said, rows: functional.binary_cross_entropy_with_logits(said, has[rows])
        if self.kind == "classes":
            of_row = torch.tensor([numbers[name] for name in gold])
            counts = torch.bincount(of_row, minlength=len(numbers)).float()
            weight = len(gold) / (len(numbers) * counts) if self.is_balanced else None
            return lambda said, rows: functional.cross_entropy(said, of_row[rows], weight=weight)
        tags = [torch.tensor([numbers[tag] for tag in row[: recurrent.MOST_WORDS]] or [-100]) for row in gold]
        return lambda said, rows: functional.cross_entropy(said, torch.cat([tags[row] for row in rows]))


def _word(word: str) -> str:
    return word.lower()


def _ending(word: str) -> str:
    """The end of a word, with a mark for a capital and for digits."""
    mark = "A" if word[:1].isupper() else "1" if any(one.isdigit() for one in word) else "a"
    return mark + word.lower()[-ENDING:]
