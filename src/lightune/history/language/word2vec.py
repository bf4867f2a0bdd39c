"""Word vectors from predicting neighbours, by gensim: skip-gram or CBOW with negative sampling."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from lightune.core.settings import Settings as Group
from lightune.history.language._vectors import (
    Sentences,
    VectorSettings,
    WordVectors,
    finish,
    learn_by_gensim,
    require_gensim,
    require_words,
)
from lightune.history.language.base import Lesson


class Word2vecSettings(VectorSettings):
    """`--pretrain.*` of word2vec."""

    predicts: Literal["neighbours", "word"] = Field(
        "neighbours", description="the words around from a word (skip-gram), or the word from them (CBOW)"
    )
    subsample: float = Field(1e-3, ge=0, le=1, description="words more frequent than this share are thinned")
    negatives: int = Field(5, ge=1, le=100, description="words drawn as wrong answers for each right one")


class Word2vec(WordVectors):
    """Mikolov's vectors."""

    summary = "word vectors: a word predicts its neighbours (gensim)"
    paper = "Mikolov et al. 2013, arXiv:1310.4546"
    Settings: ClassVar[type[Group]] = Word2vecSettings

    @classmethod
    def train(cls, lesson: Lesson) -> Self:
        """By gensim, with a bar over the epochs."""
        require_gensim()
        from gensim.models import Word2Vec

        settings: Word2vecSettings = lesson.settings
        sentences = Sentences(lesson.train)
        learner = Word2Vec(
            vector_size=settings.width,
            window=settings.window,
            min_count=settings.min_count,
            sg=int(settings.predicts == "neighbours"),
            sample=settings.subsample,
            negative=settings.negatives,
            workers=settings.workers,
            seed=lesson.seed % 2**32,
        )
        learner.build_vocab(sentences)
        require_words(learner.wv.index_to_key, lesson)
        learn_by_gensim(learner, sentences, lesson)
        vectors = np.asarray(learner.wv.vectors, dtype=np.float32)
        model = cls(learner.wv.index_to_key, vectors, settings.format)
        finish(model, lesson)
        return model
