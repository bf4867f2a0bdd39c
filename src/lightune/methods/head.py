"""Nothing but a head on the frozen network: the data is read through it once, to one vector a text.

Linear probing (Alain and Bengio 2016, arXiv:1610.01644) on mean-pooled states (Reimers and Gurevych 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import Field

from lightune.backbones.base import Reduction, Tap
from lightune.core.errors import UserError
from lightune.methods.base import MANY_ROWS, Method, MethodSettings, Recipe, require_new_head

if TYPE_CHECKING:
    import torch

    from lightune.backbones.transformer import Transformer
    from lightune.core.tokens import Batch

POOLED = {"mean", "first", "last"}


class HeadSettings(MethodSettings):
    """What a head can be told."""

    mix: int = Field(1, ge=1, le=128, description="topmost layers that the head reads, mixed as it learns to")


class Head(Method):
    """Only the head trains."""

    Settings: ClassVar[type[MethodSettings]] = HeadSettings
    name = "head"
    summary = "only a head trains, on cached features"
    paper = "Alain and Bengio 2016, arXiv:1610.01644"
    head = "mean"
    kept = "all layers"
    settings: HeadSettings

    def recipe(self, num_rows: int) -> Recipe:
        """Many cheap epochs: a step costs next to nothing on cached features."""
        epochs = 20 if num_rows >= MANY_ROWS else 40
        rate = 5e-3 if self.head in POOLED else 1e-3
        return Recipe(rate, rate, epochs, "cosine", "a head on frozen features learns fast and cheaply")

    def private_recipe(self, num_rows: int) -> Recipe:
        """Twice the rate: DP-SGD on 6,400 movie sentences was best so (docs/log.md, 2026-11-25)."""
        found = super().private_recipe(num_rows)
        rate = 2 * found.learning_rate
        return replace(found, learning_rate=rate, head_learning_rate=rate)

    def frozen_depth(self, depth: int) -> int:
        """All of it."""
        return depth

    def taps(self, depth: int) -> tuple[Tap, ...]:
        """One vector a text where the pooling is fixed, all tokens where it is learnt."""
        reduction = cast(Reduction, self.head) if self.head in POOLED else "tokens"
        return tuple(Tap(one, reduction) for one in range(max(0, depth - self.settings.mix) + 1, depth + 1))

    def prepare(self, backbone: Transformer, pooled: torch.Tensor) -> None:
        """Standardise the features: the linear layer then learns in few epochs."""
        head: Any = backbone.model.head
        (head.mix if self.settings.mix > 1 else head).fit_scale(pooled)

    def logits(
        self, backbone: Transformer, activations: Mapping[Tap, torch.Tensor], batch: Batch
    ) -> torch.Tensor:
        """(B, C) or (B, T, C) logits of the head; several layers are mixed first."""
        if self.settings.mix == 1:
            return super().logits(backbone, activations, batch)
        head: Any = backbone.model.head
        mixed = head.mix([activations[tap] for tap in sorted(activations)])
        pooled = mixed if self.head in POOLED else head.pool(mixed, batch.attention_mask)
        return head(pooled)  # type: ignore[no-any-return]

    def forward(self, backbone: Transformer, batch: Batch) -> torch.Tensor:
        """(B, C) logits: the frozen backbone, then the head."""
        if self.settings.mix == 1:
            return super().forward(backbone, batch)
        read = backbone.below(batch, self.taps(backbone.depth))
        return self.logits(backbone, {tap: one.float() for tap, one in read.items()}, batch)

    def _add_mix(self, backbone: Transformer) -> None:
        """Give the head its mixture of layers.

        Raises:
            UserError: the head, or the network, has no layers to mix.
        """
        from lightune.backbones.heads import ScalarMix

        if self.head == "standard" or backbone.spec.is_vector:
            raise UserError(
                "--method.mix needs a head of lightune's own", hint="Give --head mean, or attention."
            )
        if backbone.structure.is_shared:
            raise UserError(
                "this model runs one layer many times, so that its layers cannot be mixed",
                hint="Leave --method.mix out.",
            )
        if self.settings.mix > backbone.depth:
            hint = f"Give --method.mix {backbone.depth} or less."
            raise UserError(f"the model has {backbone.depth} layers, not {self.settings.mix}", hint=hint)
        mix = ScalarMix(self.settings.mix, backbone.width)
        backbone.model.head.add_module("mix", mix.to(backbone.device))  # type: ignore[union-attr]

    def apply(self, backbone: Transformer) -> None:
        """The head and the pooler train."""
        require_new_head(self.name, backbone)
        backbone.model.requires_grad_(False)
        if self.settings.mix > 1:
            self._add_mix(backbone)
        if backbone.spec.is_vector:
            backbone.model.head.add_projection()  # type: ignore[union-attr,operator]
            backbone.model.get_submodule("head").requires_grad_(True)
        for name in backbone.head_modules():
            backbone.model.get_submodule(name).requires_grad_(True)
