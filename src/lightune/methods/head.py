"""Nothing but a head on the frozen network: the data is read through it once, to one vector a text.

Linear probing (Alain and Bengio 2016, arXiv:1610.01644) on mean-pooled states (Reimers and Gurevych 2019) of
several depths: what the top layers give up for the sake of their pre-training lies in the middle ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import Field

from lightune.backbones.base import POOLED, USUAL_DEPTHS, Reduction, Tap, spread
from lightune.core.errors import UserError
from lightune.methods.base import MANY_ROWS, Method, MethodSettings, Recipe, require_new_head

if TYPE_CHECKING:
    import torch

    from lightune.backbones.transformer import Transformer
    from lightune.core.tokens import Batch

EPOCHS = 10


class HeadSettings(MethodSettings):
    """What a head can be told."""

    depths: int | None = Field(
        None,
        ge=1,
        le=128,
        description="depths of the network that the head reads, evenly spaced, the top too (3 for a text)",
    )


class Head(Method):
    """Only the head trains."""

    Settings: ClassVar[type[MethodSettings]] = HeadSettings
    name = "head"
    summary = "only a head trains, on cached features"
    may_overlap = True
    paper = "Alain and Bengio 2016, arXiv:1610.01644"
    head = "mean"
    kept = "all layers"
    settings: HeadSettings

    def recipe(self, num_rows: int) -> Recipe:
        """Cheap epochs on cached features; many rows bear a lower rate (docs/log.md, 2026-11-26)."""
        reason = f"a head on frozen features learns fast and cheaply; {num_rows} rows"
        if num_rows >= 3000:
            return Recipe(3e-4, 3e-4, EPOCHS - 2, "cosine", reason, stops_early=False)
        epochs = EPOCHS if num_rows >= MANY_ROWS else 2 * EPOCHS
        return Recipe(1e-3, 1e-3, epochs, "cosine", reason, stops_early=False)

    def private_recipe(self, num_rows: int) -> Recipe:
        """A high rate: DP-SGD on 6,400 movie sentences was best so (docs/log.md, 2026-11-25)."""
        found = super().private_recipe(num_rows)
        return replace(found, learning_rate=1e-2, head_learning_rate=1e-2)

    def frozen_depth(self, depth: int) -> int:
        """All of it."""
        return depth

    def taps(self, depth: int) -> tuple[Tap, ...]:
        """One vector a text and depth where the pooling is fixed, all tokens where it is learnt."""
        reduction = cast(Reduction, self.head) if self.head in POOLED else "tokens"
        return tuple(Tap(one, reduction) for one in spread(depth, min(self._num_depths, depth)))

    @property
    def _num_depths(self) -> int:
        return self.settings.depths or (USUAL_DEPTHS if self.head in POOLED else 1)

    def prepare(self, backbone: Transformer, pooled: torch.Tensor) -> None:
        """Standardise the features: the linear layer then learns in few epochs."""
        backbone.model.head.fit_scale(pooled)  # type: ignore[union-attr,operator]

    def logits(
        self, backbone: Transformer, activations: Mapping[Tap, torch.Tensor], batch: Batch
    ) -> torch.Tensor:
        """(B, C) or (B, T, C) logits of the head, which reads several depths side by side."""
        if len(activations) == 1:
            return super().logits(backbone, activations, batch)
        import torch

        head: Any = backbone.model.head
        return head(torch.cat([activations[tap] for tap in sorted(activations)], dim=-1))  # type: ignore[no-any-return]

    def _settle_depths(self, backbone: Transformer) -> None:
        """Choose how many depths are read, unless the person did.

        Raises:
            UserError: the head, or the network, has not so many to read.
        """
        asked = self.settings.depths
        if asked is None:
            number = len(backbone.usual_depths(self.head))
            self.settings = self.settings.model_copy(update={"depths": number})
        elif asked == 1:
            return
        elif self.head not in POOLED or backbone.spec.is_vector:
            hint = "Give --head mean, for a label a text, or leave --method.depths out."
            raise UserError(
                "--method.depths needs a head that pools a text's tokens to one vector", hint=hint
            )
        elif backbone.structure.is_shared:
            problem = "this model runs one layer many times, so that it cannot be read at several depths"
            raise UserError(problem, hint="Leave --method.depths out.")
        elif asked > backbone.depth:
            hint = f"Give --method.depths {backbone.depth} or less."
            raise UserError(f"the model has {backbone.depth} layers, not {asked}", hint=hint)

    def apply(self, backbone: Transformer) -> None:
        """The head and the pooler train."""
        require_new_head(self.name, backbone)
        backbone.model.requires_grad_(False)
        self._settle_depths(backbone)
        taps = self.taps(backbone.depth)
        if len(taps) > 1:
            backbone.model.head.widen([tap.depth for tap in taps])  # type: ignore[union-attr,operator]
        if backbone.spec.is_vector:
            backbone.model.head.add_projection()  # type: ignore[union-attr,operator]
            backbone.model.get_submodule("head").requires_grad_(True)
        for name in backbone.head_modules():
            backbone.model.get_submodule(name).requires_grad_(True)
