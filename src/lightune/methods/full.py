"""Full fine-tuning: every weight above the cut trains (Devlin et al. 2019); all of them without a cut."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lightune.methods.base import MANY_ROWS, LayeredSettings, Method, MethodSettings, Recipe

if TYPE_CHECKING:
    from torch import nn

    from lightune.backbones.transformer import Transformer


class Full(Method):
    """All weights of the top k layers, or of the whole network."""

    Settings: ClassVar[type[MethodSettings]] = LayeredSettings
    name = "full"
    summary = "every weight trains"
    paper = "Devlin et al. 2019, arXiv:1810.04805"
    opens_with = "transformers"

    def recipe(self, num_rows: int) -> Recipe:
        """Small steps: the weights are good already."""
        epochs = 3 if num_rows >= MANY_ROWS else 6 if num_rows >= 200 else 15
        return Recipe(1e-4, 1e-3, epochs, "linear", f"full fine-tuning on {num_rows} rows")

    def apply(self, backbone: Transformer) -> None:
        """Nothing below the cut trains, everything above does."""
        backbone.freeze_below(self.frozen_depth(backbone.depth))

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


def _whole(backbone: Transformer) -> nn.Module:
    """What transformers saves: all of it, or what lies under the pooling that makes vectors."""
    return backbone.base if backbone.spec.is_vector else backbone.model
