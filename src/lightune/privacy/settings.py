"""Settings of private training and of masking (`--privacy.*`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from lightune.core.errors import UserError, require_extra
from lightune.core.settings import Settings


class PrivacySettings(Settings):
    """Differential privacy for the training rows, and masking of personal data before training."""

    epsilon: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="train privately (DP-SGD): the most that one row may show; 8 is usual",
    )
    delta: float | None = Field(
        None, gt=0, lt=1, description="chance that the promise of epsilon fails (1 / training rows)"
    )
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient of one row (1.0)")
    accountant: Literal["prv", "rdp"] = Field(
        "prv", description="how the spent epsilon is counted: prv is tighter, rdp is older"
    )

    mask: Literal["off", "on"] = Field(
        "off", description="put placeholders such as [PHONE_1] in the place of personal data before training"
    )
    names: str | None = Field(
        None, description="with mask: a run of the task tag that finds more names of people"
    )

    canaries: int = Field(
        0,
        ge=0,
        le=1000,
        description="made-up secrets to add to the rows of a run that writes, for lightune audit",
    )

    @property
    def is_private(self) -> bool:
        """Whether training is differentially private."""
        return self.epsilon is not None

    @property
    def hides_texts(self) -> bool:
        """Whether reports must not quote the data unless asked to."""
        return self.is_private or self.mask == "on"


def require_fit(privacy: PrivacySettings, train: Mapping[str, Any], *, repeats: int) -> None:
    """Check private training against the other settings, before anything is read.

    Raises:
        UserError: a setting that would give away more than was promised, or that has no effect.
    """
    if privacy.names and privacy.mask == "off":
        raise UserError("--privacy.names has no effect without masking", hint="Add --privacy.mask on.")
    if not privacy.is_private:
        lone = sorted(privacy.model_fields_set & {"delta", "clip", "accountant"})
        if lone:
            hint = "Add --privacy.epsilon 8, or leave it out."
            raise UserError(f"--privacy.{lone[0]} has no effect without --privacy.epsilon", hint=hint)
        return
    require_extra("opacus", "privacy")
    if repeats:
        raise UserError(
            "--folds and --seeds train on every row several times over, and each time spends epsilon again",
            hint="Leave them out of a private run.",
        )
    if train.get("class_weights") == "on":
        raise UserError(
            "--train.class-weights on counts the labels of the training rows, and the counts have no noise",
            hint="Leave it out of a private run.",
        )
    if float(train.get("clip") or 0):
        raise UserError(
            "--train.clip has no effect in a private run: rows are clipped one by one",
            hint="Give --privacy.clip.",
        )


def require_usual(privacy: PrivacySettings, command: str) -> None:
    """Raise `UserError` where a command that trains without privacy is asked for it."""
    if privacy.is_private:
        hint = "Leave --privacy.epsilon out, or give it to lightune train."
        raise UserError(f"lightune {command} trains several models, none of them privately", hint=hint)
