"""Settings of pre-training that several kinds share: the loop (`--train.*`) and the vocabulary."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lightune.core.settings import Settings


class LoopSettings(Settings):
    """Mini-batch gradient descent on a stream of tokens. None: derived."""

    epochs: int | None = Field(
        None, ge=1, le=10_000, description="times the corpus is gone through: 5, or what --budget allows"
    )
    learning_rate: float | None = Field(None, gt=0, le=10, description="peak learning rate")
    batch_tokens: int | None = Field(None, ge=16, description="tokens of one optimiser step")
    schedule: Literal["linear", "cosine", "onecycle", "constant"] = Field(
        "cosine", description="how the learning rate moves"
    )
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps with a rising learning rate")
    weight_decay: float = Field(0.1, ge=0, description="weight decay (not on biases and normalisation)")
    clip: float = Field(1.0, ge=0, description="largest gradient norm; 0 does not clip")
    measurements: int = Field(10, ge=1, le=1000, description="times the held-out texts are measured")
    measured_tokens: int = Field(20_000, ge=100, description="held-out tokens of one such measurement, about")
    patience: int = Field(3, ge=0, description="measurements without a better one before it stops; 0 never")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="arithmetic of matrix products; auto: the quicker one, measured"
    )


class VocabularySettings(Settings):
    """The tokenizer that is trained when none is given."""

    vocabulary: Literal["bpe", "wordpiece", "unigram", "characters"] = Field(
        "bpe", description="how the trained tokenizer cuts words"
    )
    vocabulary_size: int | None = Field(None, ge=300, le=1_000_000, description="tokens it knows at most")
