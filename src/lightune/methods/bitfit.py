"""BitFit: only the bias terms train, and the head (Ben Zaken et al. 2022, arXiv:2106.10199)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lightune.core.errors import UserError
from lightune.methods.base import MANY_ROWS, LayeredSettings, Method, MethodSettings, Recipe

if TYPE_CHECKING:
    from lightune.backbones.transformer import Transformer


class BitFit(Method):
    """Biases of the top k layers, or of the whole network."""

    Settings: ClassVar[type[MethodSettings]] = LayeredSettings
    name = "bitfit"
    summary = "only bias terms train"
    may_overlap = True
    paper = "Ben Zaken et al. 2022, arXiv:2106.10199"

    def recipe(self, num_rows: int) -> Recipe:
        """Large steps for few numbers."""
        epochs = 4 if num_rows >= MANY_ROWS else 10 if num_rows >= 200 else 20
        return Recipe(4e-3, 2e-3, epochs, "onecycle", f"biases alone need large steps ({num_rows} rows)")

    def apply(self, backbone: Transformer) -> None:
        """Biases above the cut and the head train.

        Raises:
            UserError: the layers have no bias terms (Llama and its kin).
        """
        backbone.freeze_below(self.frozen_depth(backbone.depth))
        heads = tuple(name + "." for name in backbone.head_modules())
        num_biases = 0
        for name, parameter in backbone.model.named_parameters():
            is_bias = name.endswith("bias") and parameter.requires_grad and not name.startswith(heads)
            num_biases += is_bias
            parameter.requires_grad_(parameter.requires_grad and (is_bias or name.startswith(heads)))
        if num_biases == 0 and self.frozen_depth(backbone.depth) < backbone.depth:
            kind = type(backbone.base).__name__
            raise UserError(f"{kind} has no bias terms to train", hint="Try --method lora, or head.")
