"""Full fine-tuning: every weight above the cut trains (Devlin et al. 2019); all of them without a cut.

With `at_once` the layers take turns, as in LISA (Pan et al. 2024, arXiv:2403.17919): some are drawn, train
for some steps, and give way to others, so that gradients and the optimiser's state are kept of those alone.
Head and what else lies outside the layers trains throughout; embeddings, the most of a small model, do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from lightune.methods.base import MANY_ROWS, LayeredSettings, Method, MethodSettings, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from lightune.backbones.transformer import Transformer


SWITCH_STEPS = 5


class FullSettings(LayeredSettings):
    """What full fine-tuning can be told."""

    at_once: int | None = Field(
        None, ge=1, description="train so many layers at a time, drawn by turns (LISA): less memory (all)"
    )
    every: int | None = Field(
        None, ge=1, description=f"with at_once: steps until others are drawn ({SWITCH_STEPS})"
    )

    @field_validator("every")
    @classmethod
    def _every_belongs_to_at_once(cls, value: int | None, known: ValidationInfo) -> int | None:
        if value and not known.data.get("at_once"):
            raise ValueError("it has no effect without --method.at-once")
        return value


class Full(Method):
    """All weights of the top k layers, or of the whole network."""

    Settings: ClassVar[type[MethodSettings]] = FullSettings
    settings: FullSettings
    name = "full"
    summary = "every weight trains"
    may_overlap = True
    paper = "Devlin et al. 2019, arXiv:1810.04805"
    opens_with = "transformers"

    def __init__(self, settings: MethodSettings, head: str) -> None:
        super().__init__(settings, head)
        if self.settings.at_once:
            self.unsafe_privately = "its layers take turns, and every row must give a gradient to all"

    def recipe(self, num_rows: int) -> Recipe:
        """Small steps: the weights are good already."""
        epochs = 3 if num_rows >= MANY_ROWS else 6 if num_rows >= 200 else 15
        return Recipe(1e-4, 1e-3, epochs, "linear", f"full fine-tuning on {num_rows} rows")

    def apply(self, backbone: Transformer) -> None:
        """Nothing below the cut trains, everything above does (where layers take turns, no embeddings)."""
        backbone.freeze_below(self.frozen_depth(backbone.depth))
        if self.settings.at_once:
            backbone.freeze_embeddings()

    def turns(self, backbone: Transformer, seed: int) -> Callable[[int], None] | None:
        """Every so many steps other layers, drawn anew; the same in a run that is resumed."""
        if not self.settings.at_once:
            return None
        every = self.settings.every or SWITCH_STEPS
        layers = [_training(one) for one in backbone.layers_that_train()]
        number = min(self.settings.at_once, len(layers))

        def choose(step: int) -> None:
            drawn = np.random.default_rng([seed, step // every]).choice(len(layers), number, replace=False)
            for place, parameters in enumerate(layers):
                for one in parameters:
                    one.requires_grad_(place in drawn)

        return choose

    def save(self, backbone: Transformer, folder: Path) -> None:
        """A transformers folder; lightune's own format under a head of lightune's."""
        if not self._is_plain(backbone):
            return super().save(backbone, folder)
        from lightune.backbones.loading import quiet_transformers

        with quiet_transformers():
            _whole(backbone).save_pretrained(folder)  # type: ignore[operator]
        return None

    def _is_plain(self, backbone: Transformer) -> bool:
        """Whether there is nothing that transformers lacks: its own head, or none at all."""
        return self.head == "standard" or backbone.spec.is_vector

    def load(self, backbone: Transformer, folder: Path) -> None:
        """The weights of the transformers folder."""
        if not self._is_plain(backbone):
            return super().load(backbone, folder)
        from safetensors.torch import load_model

        load_model(_whole(backbone), folder / "model.safetensors")
        self.apply(backbone)
        return None

    def loading_code(self, backbone: Transformer) -> str:
        """Transformers alone."""
        if not self._is_plain(backbone):
            return super().loading_code(backbone)
        return (
            f"from transformers import {backbone.spec.auto_class}, AutoTokenizer\n\n"
            'folder = "."  # this folder\n'
            f"model = {backbone.spec.auto_class}.from_pretrained(folder)\n"
            "tokenizer = AutoTokenizer.from_pretrained(folder)\n"
        )


def _training(module: nn.Module) -> list[nn.Parameter]:
    return [one for one in module.parameters() if one.requires_grad]


def _whole(backbone: Transformer) -> nn.Module:
    """What transformers saves: all of it, or what lies under the pooling that makes vectors."""
    return backbone.base if backbone.spec.is_vector else backbone.model
