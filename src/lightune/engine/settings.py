"""Settings of the loop and of the activation store (`--train.*`, `--cache.*`)."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from lightune.core.errors import UserError
from lightune.core.settings import Settings

NUMBER = r"\s*(\d+(?:\.\d*)?|\.\d+)\s*"
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class TrainSettings(Settings):
    """Mini-batch gradient descent. None: derived from the method's recipe and the data."""

    epochs: int | float | None = Field(
        None, gt=0, le=10_000, description="times the training rows are gone through; 0.5: half of them, once"
    )
    learning_rate: float | None = Field(None, gt=0, le=10, description="peak learning rate")
    head_learning_rate: float | None = Field(
        None, gt=0, le=10, description="peak learning rate of the new head"
    )
    batch_rows: int | None = Field(None, ge=1, description="rows of one optimiser step")
    batch_tokens: int | None = Field(
        None, ge=16, description="padded tokens in memory at once; larger steps are accumulated from pieces"
    )
    optimizer: Literal["adamw", "adam", "sgd", "galore", "mezo"] = Field(
        "adamw",
        description="sgd: momentum 0.9; galore: AdamW with a small state; mezo: no backward pass",
    )
    schedule: Literal["linear", "cosine", "onecycle", "constant"] | None = Field(
        None, description="how the learning rate moves"
    )
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps with a rising learning rate")
    weight_decay: float = Field(0.01, ge=0, description="weight decay (not on biases and normalisation)")
    clip: float = Field(1.0, ge=0, description="largest gradient norm; 0 does not clip")
    patience: int = Field(3, ge=0, description="epochs without a better validation before it stops; 0 never")
    class_weights: Literal["auto", "on", "off"] = Field(
        "auto", description="weigh rare classes up; auto: when the largest is over 3 times the smallest"
    )


class SpeedSettings(Settings):
    """What makes training steps fewer or cheaper. None: derived from the method's recipe and the data."""

    later_layers: int | None = Field(
        None,
        ge=0,
        description="after the first epoch train only the top k layers, and read what lies below once (all)",
    )
    skip_below: float | None = Field(
        None,
        ge=0,
        description="go back only through rows whose loss is above this, once many are below; 0: through all",
    )


class CacheSettings(Settings):
    """The activation store."""

    limit: str = Field("20GB", description="most bytes the store may take; oldest out first")
    dtype: Literal["float16", "float32"] = Field("float16", description="how activations are stored")
    off: bool = Field(False, description="do not store activations: read the data again every epoch")

    encrypt: bool = Field(
        False, description="encrypt stored activations with the key in LIGHTUNE_CACHE_KEY (AES-256-GCM)"
    )

    @field_validator("limit")
    @classmethod
    def _limit_is_a_size(cls, value: str) -> str:
        try:
            parse_size(value)
        except UserError as error:
            raise ValueError(error.problem) from None
        return value

    @property
    def limit_bytes(self) -> int:
        """The limit in bytes."""
        return parse_size(self.limit)


def parse_size(text: str) -> int:
    """`4GB`, `500 MB`, `1.5G` -> bytes (powers of ten)."""
    found = re.fullmatch(NUMBER + r"([kKmMgGtT]?)i?[bB]?\s*", text)
    if not found:
        raise UserError(f"{text!r} is not a size", hint="Write it like 4GB or 500MB.")
    return int(float(found[1]) * UNITS[found[2].upper()])


def parse_seconds(text: str) -> float:
    """`90s`, `10m`, `1.5h`, `600` -> seconds."""
    found = re.fullmatch(NUMBER + r"([smh]?)\s*", text)
    if not found:
        raise UserError(f"{text!r} is not a length of time", hint="Write it like 90s, 10m or 1h.")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]
