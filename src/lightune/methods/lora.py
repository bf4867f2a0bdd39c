"""LoRA: W + BA with B, A of low rank (Hu et al. 2021, arXiv:2106.09685), injected by peft.

The adapter goes into all linear maps of the top k layers, or some, by explicit module paths.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from lightune.core.errors import UserError
from lightune.methods._injected import STORED_BITS, Bits, Injected
from lightune.methods.base import MANY_ROWS, LayeredSettings, MethodSettings, Recipe

if TYPE_CHECKING:
    from lightune.backbones.transformer import Transformer

ATTENTION = (
    "query",
    "value",
    "q",
    "v",
    "q_proj",
    "v_proj",
    "q_lin",
    "v_lin",
    "c_attn",
    "Wqkv",
    "query_proj",
    "value_proj",
)


class LoraSettings(LayeredSettings):
    """LoRA's own settings."""

    rank: int = Field(8, ge=1, le=1024, description="width of the low-rank update")
    alpha: float | None = Field(
        None, gt=0, description="the update is scaled by alpha / rank (twice the rank)"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the input of the update")
    base_dropout: bool = Field(
        False, description="the model's own dropout while training: slower, and no better in few epochs"
    )
    modules: Literal["all", "attention", "feed-forward"] = Field(
        "all",
        description="every linear map; query and value of the attention only; or those behind it, in a fifth "
        "less time",
    )
    bits: Bits = STORED_BITS


class Lora(Injected):
    """Low-rank updates of the linear maps, and the head."""

    Settings: ClassVar[type[MethodSettings]] = LoraSettings
    name = "lora"
    summary = "low-rank updates of the linear maps"
    may_overlap = True
    paper = "Hu et al. 2021, arXiv:2106.09685"
    settings: LoraSettings

    def recipe(self, num_rows: int) -> Recipe:
        """One-cycle with a high peak: few epochs are enough."""
        reason = f"LoRA takes high rates; {num_rows} rows"
        if num_rows >= 3000:
            # Twice the steps at half the rate: 0.8515 for 0.843 (movies, medians of 3 seeds), 0.860 for 0.838
            # (Chinese reviews, e5-multilingual; at 2e-3 these steps diverge there), 2026-11.
            return Recipe(1e-3, 1e-3, 1, "onecycle", reason, batch_rows=16)
        epochs = 3 if num_rows >= MANY_ROWS else 8 if num_rows >= 200 else 20
        return Recipe(2e-3, 2e-3, epochs, "onecycle", reason)

    def private_recipe(self, num_rows: int) -> Recipe:
        """Fewer epochs than other methods: each passes through the layers above the cut."""
        found = super().private_recipe(num_rows)
        return replace(found, epochs=max(4, found.epochs - 2))

    def config(self, backbone: Transformer) -> Any:
        """Peft's configuration.

        Raises:
            UserError: there is no linear map above the cut.
        """
        import peft

        paths = backbone.linear_paths(self.frozen_depth(backbone.depth))
        paths = self._chosen(paths)
        if not paths:
            raise UserError(
                "no linear map to adapt", hint="Set --method.layers to 1 or more, or --method head."
            )
        return peft.LoraConfig(
            r=self.settings.rank,
            lora_alpha=self.settings.alpha or 2 * self.settings.rank,
            lora_dropout=self.settings.dropout,
            **self.shared(backbone, paths),
        )

    def _chosen(self, paths: list[str]) -> list[str]:
        """Of the linear maps those that get an update (their merits: docs/log.md, 2026-12-01)."""
        if self.settings.modules == "attention":
            return [path for path in paths if path.rsplit(".", 1)[-1] in ATTENTION]
        if self.settings.modules == "feed-forward":
            return [path for path in paths if not re.search("attn|attention", path, re.IGNORECASE)]
        return paths

    def set_dropout(self, backbone: Transformer, cut: int) -> None:
        """The adapter's dropout and the head's; the pre-trained part's own only where it is asked for."""
        backbone.set_training(cut)
        if self.settings.base_dropout:
            return
        backbone.base.eval()
        for name, module in backbone.base.named_modules():
            if name.endswith("lora_dropout"):
                module.train()
