"""A ladder side network: a small Transformer beside the frozen backbone, fed by several of its depths.

Sung et al. 2022 (arXiv:2206.06522): at every rung, side state and a projection of the backbone's state are
mixed by a learned gate, and nothing flows back through the backbone. Here the rungs are read from the
activation store, so that the backbone runs once. The pooled output of the backbone goes straight to the
answer beside it: the network starts as `head` does and learns what to add.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from lightune.backbones.base import Tap
from lightune.core.errors import UserError
from lightune.methods.base import MANY_ROWS, Method, MethodSettings, Recipe, require_new_head

if TYPE_CHECKING:
    import torch

    from lightune.backbones.transformer import Transformer
    from lightune.core.tokens import Batch

HEADS = 4


class SideSettings(MethodSettings):
    """What the side network can be told."""

    width: int = Field(96, ge=8, le=4096, multiple_of=HEADS, description="width of the side network")
    rungs: int = Field(
        2, ge=1, le=64, description="depths of the backbone that it reads, the top one included"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout in the side network")


class Side(Method):
    """The side network trains, on cached states of several depths."""

    Settings: ClassVar[type[MethodSettings]] = SideSettings
    name = "side"
    summary = "a small network beside the frozen one, on cached states of several depths"
    may_overlap = True
    paper = "Sung et al. 2022, arXiv:2206.06522"
    apart = "a network of its own beside the model"
    head = "mean"
    kept = "all layers"
    settings: SideSettings

    def recipe(self, num_rows: int) -> Recipe:
        """A new network: a middling rate, several epochs, each of them cheap."""
        reason = f"a small new network on {num_rows} rows"
        if num_rows >= MANY_ROWS:
            epochs, batch_rows = (2, 64) if num_rows >= 3000 else (4, 32)
            return Recipe(1.5e-3, 1.5e-3, epochs, "onecycle", reason, batch_rows=batch_rows)
        return Recipe(1e-3, 1e-3, 10 if num_rows >= 200 else 20, "onecycle", reason)

    def private_recipe(self, num_rows: int) -> Recipe:
        """Five times the rate, four epochs: on 6,400 movie sentences (docs/log.md, 2026-11-25)."""
        found = super().private_recipe(num_rows)
        rate = 5 * found.learning_rate
        return replace(found, learning_rate=rate, head_learning_rate=rate, epochs=max(4, found.epochs - 2))

    def frozen_depth(self, depth: int) -> int:
        """All of it."""
        return depth

    def taps(self, depth: int) -> tuple[Tap, ...]:
        """The top and evenly spaced depths under it."""
        number = min(self.settings.rungs, depth)
        return tuple(Tap(round(depth * (rung + 1) / number)) for rung in range(number))

    def logits(
        self, backbone: Transformer, activations: Mapping[Tap, torch.Tensor], batch: Batch
    ) -> torch.Tensor:
        """(B, C) logits of the side network; for vectors (B, H) it adds to the model's own."""
        rungs = [activations[tap] for tap in sorted(activations)]
        logits: torch.Tensor = backbone.model.side(rungs, batch.attention_mask)  # type: ignore[operator]
        if backbone.spec.is_vector:
            backbone.base.eval()  # it is frozen: its own vector comes without dropout
            logits = logits + backbone.above(rungs[-1], batch, max(activations))
        return logits

    def forward(self, backbone: Transformer, batch: Batch) -> torch.Tensor:
        """(B, C) logits: the frozen backbone, then the side network."""
        read = {tap: one.float() for tap, one in backbone.below(batch, self.taps(backbone.depth)).items()}
        return self.logits(backbone, read, batch)

    def apply(self, backbone: Transformer) -> None:
        """Put the side network beside the model: nothing else trains.

        Raises:
            UserError: layers that share their weights cannot be read at several depths.
        """
        from lightune.methods._side_network import SideNetwork

        require_new_head(self.name, backbone)
        self.may_overlap = not backbone.spec.is_vector  # `above` changes the layers while it runs
        if backbone.structure.is_shared and self.settings.rungs > 1:
            if "rungs" not in self.settings.model_fields_set:  # nobody asked for them
                self.settings = self.settings.model_copy(update={"rungs": 1})
                return self.apply(backbone)
            raise UserError(
                "this model runs one layer many times, so that it cannot be read at several depths",
                hint="Add --method.rungs 1, or take --method head.",
            )
        backbone.model.requires_grad_(False)
        spec = backbone.spec
        num_outputs = backbone.width if spec.is_vector else spec.num_labels
        sizes = (backbone.width, len(self.taps(backbone.depth)), num_outputs)
        network = SideNetwork(sizes, self.settings, is_per_token=spec.is_per_token)
        if spec.is_vector:
            network.start_at_nothing()
        backbone.model.side = network.to(backbone.device)
