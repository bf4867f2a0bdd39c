"""A conditional random field on hand-made features (Lafferty, McCallum and Pereira 2001), by CRFsuite."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightune.core.errors import missing_extra
from lightune.history.base import Baseline, Texts

# The regularisation and the number of rounds of sklearn-crfsuite's tutorial.
SETTINGS = {"c1": 0.1, "c2": 0.1, "max_iterations": 100, "feature.possible_transitions": True}
NEIGHBOURS = (-2, -1, 1, 2)


class Crf(Baseline):
    """Words, their ends and shapes, and their neighbours; the best sequence of tags by Viterbi."""

    name = "crf"
    summary = "a conditional random field on hand-made features"
    kinds = frozenset({"tags"})
    generation = 3
    cost = 100.0
    extra = ("pycrfsuite", "crf")

    def fit(self, texts: Texts, gold: Sequence[Any]) -> Crf:
        """Weigh the features, by L-BFGS.

        Raises:
            UserError: python-crfsuite is not installed.
        """
        trainer = _library().Trainer(algorithm="lbfgs", params=SETTINGS, verbose=False)
        for words, tags in zip(texts, gold, strict=True):
            if words:
                trainer.append(features_of(words), list(tags))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.crfsuite"
            trainer.train(str(file))
            self.model_ = file.read_bytes()
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """One tag a word."""
        tagger = _library().Tagger()
        tagger.open_inmemory(self.model_)
        try:
            return [tagger.tag(features_of(words)) if words else [] for words in texts]
        finally:
            tagger.close()


def features_of(words: Sequence[str]) -> list[list[str]]:
    """What is seen of each word: itself, its beginning, its end, its shape, the words around it."""
    small = [word.lower() for word in words]
    found = []
    for place, word in enumerate(words):
        own = small[place]
        seen = ["bias", f"word={own}", f"shape={shape_of(word)}"]
        seen += [f"end{length}={own[-length:]}" for length in (1, 2, 3) if len(own) > length]
        seen += [f"start{length}={own[:length]}" for length in (1, 2) if len(own) > length]
        for step in NEIGHBOURS:
            if 0 <= place + step < len(words):
                seen.append(f"{step:+d}={small[place + step]}")
            elif abs(step) == 1:
                seen.append("first" if step < 0 else "last")
        if place > 0:
            seen += [f"before={small[place - 1]} {own}", f"shape before={shape_of(words[place - 1])}"]
        if place + 1 < len(words):
            seen.append(f"after={own} {small[place + 1]}")
        found.append(seen)
    return found


def shape_of(word: str) -> str:
    """`Aa`, `A`, `1.1`: each run of capitals, small letters or digits as one sign."""
    marks = [
        "A" if one.isupper() else "a" if one.islower() else "1" if one.isdigit() else one for one in word
    ]
    if len(word) == 1 and not word.isascii():
        return "other"  # a Chinese character by itself: the word says it all
    return "".join(one for place, one in enumerate(marks) if place == 0 or marks[place - 1] != one)


def _library() -> Any:
    try:
        import pycrfsuite
    except ImportError:
        raise missing_extra("python-crfsuite", "crf") from None
    return pycrfsuite
