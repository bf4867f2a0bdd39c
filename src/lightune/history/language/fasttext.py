"""Word vectors that are sums over the letters of a word, by gensim: unknown words have vectors too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from lightune.core.settings import Settings as Group
from lightune.history.language._vectors import (
    Sentences,
    Vectors,
    VectorSettings,
    WordVectors,
    finish,
    learn_by_gensim,
    require_gensim,
    require_words,
)
from lightune.history.language.base import Lesson

FILE = "fasttext.bin"  # Facebook's own format


class FasttextSettings(VectorSettings):
    """`--pretrain.*` of fastText."""

    subsample: float = Field(1e-3, ge=0, le=1, description="words more frequent than this share are thinned")
    shortest: int = Field(3, ge=1, le=20, description="letters of the shortest parts of words")
    longest: int = Field(6, ge=1, le=20, description="letters of the longest parts of words")
    buckets: int = Field(100_000, ge=100, description="vectors that the parts share; more take more memory")


class Fasttext(WordVectors):
    """Bojanowski's vectors; `learner` is gensim's model."""

    summary = "word vectors from parts of words: new words get one too (gensim)"
    paper = "Bojanowski et al. 2017, arXiv:1607.04606"
    Settings: ClassVar[type[Group]] = FasttextSettings

    def __init__(self, learner: Any) -> None:
        super().__init__(learner.wv.index_to_key, np.asarray(learner.wv.vectors, dtype=np.float32))
        self.learner = learner

    @classmethod
    def train(cls, lesson: Lesson) -> Self:
        """By gensim."""
        require_gensim()
        from gensim.models import FastText

        settings: FasttextSettings = lesson.settings
        sentences = Sentences(lesson.train)
        learner = FastText(
            vector_size=settings.width,
            window=settings.window,
            min_count=settings.min_count,
            sg=1,
            sample=settings.subsample,
            workers=settings.workers,
            seed=lesson.seed % 2**32,
            min_n=settings.shortest,
            max_n=settings.longest,
            bucket=settings.buckets,
        )
        learner.build_vocab(sentences)
        require_words(learner.wv.index_to_key, lesson)
        learn_by_gensim(learner, sentences, lesson)
        model = cls(learner)
        finish(model, lesson)
        return model

    def save(self, folder: Path) -> None:
        """`fasttext.bin`, which Facebook's program reads, and the words alone in word2vec's format."""
        from gensim.models.fasttext import save_facebook_model

        super().save(folder)
        save_facebook_model(self.learner, str(folder / FILE))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open what `save` wrote."""
        require_gensim()
        from gensim.models.fasttext import load_facebook_model

        return cls(load_facebook_model(str(folder / FILE)))

    def vector(self, word: str) -> Vectors:
        """(H,) of any word: unknown ones get the mean of their parts."""
        found: Vectors = np.asarray(self.learner.wv[word.lower()], dtype=np.float32)
        return found
