"""Nothing but a head on the frozen network: the data is read through it once, to one vector a text.

Linear probing (Alain and Bengio 2016, arXiv:1610.01644) on mean-pooled states (Reimers and Gurevych 2019).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from lightune.backbones.base import Reduction, Tap
from lightune.methods.base import Method, Recipe, require_new_head

if TYPE_CHECKING:
    import torch

    from lightune.backbones.transformer import Transformer

POOLED = {"mean", "first", "last"}


class Head(Method):
    """Only the head trains."""

    name = "head"
    summary = "only a head trains, on cached features"
    paper = "Alain and Bengio 2016, arXiv:1610.01644"
    head = "mean"
    kept = "all layers"

    def recipe(self, num_rows: int) -> Recipe:
        """Many cheap epochs: a step costs next to nothing on cached features."""
        epochs = 20 if num_rows >= 1000 else 40
        rate = 5e-3 if self.head in POOLED else 1e-3
        return Recipe(rate, rate, epochs, "cosine", "a head on frozen features learns fast and cheaply")

    def frozen_depth(self, depth: int) -> int:
        """All of it."""
        return depth

    def taps(self, depth: int) -> tuple[Tap, ...]:
        """One vector a text where the pooling is fixed, all tokens where it is learnt."""
        if self.head in POOLED:
            return (Tap(depth, cast(Reduction, self.head)),)
        return (Tap(depth),)

    def prepare(self, backbone: Transformer, pooled: torch.Tensor) -> None:
        """Standardise the features: the linear layer then learns in few epochs."""
        backbone.model.head.fit_scale(pooled)  # type: ignore[union-attr,operator]

    def apply(self, backbone: Transformer) -> None:
        """The head and the pooler train."""
        require_new_head(self.name, backbone)
        backbone.model.requires_grad_(False)
        if backbone.spec.is_vector:
            backbone.model.head.add_projection()  # type: ignore[union-attr,operator]
            backbone.model.get_submodule("head").requires_grad_(True)
        for name in backbone.head_modules():
            backbone.model.get_submodule(name).requires_grad_(True)
