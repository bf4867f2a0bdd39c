"""LoReFT: a low-rank change of hidden states at a few tokens (Wu et al. 2024, arXiv:2404.03592).

h + R^T (W h + b - R h) at the output of every layer that is changed, with orthonormal rows of R (r, H), for
the first and last tokens of a text; of a prompt, where the model writes. One change a layer serves all its
tokens (the paper's tied weights). W starts as R, b as 0, so that training starts from the untouched network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from lightune.backbones.base import Tap
from lightune.backbones.structure import encoder_of
from lightune.methods._hooked import Hooked
from lightune.methods.base import MANY_ROWS, LayeredSettings, MethodSettings, Recipe

if TYPE_CHECKING:
    import torch

    from lightune.backbones.transformer import Transformer
    from lightune.core.tokens import Batch
    from lightune.methods._inserted import Inserted

TOKENS = 5


class LoreftSettings(LayeredSettings):
    """What LoReFT can be told."""

    rank: int = Field(4, ge=1, le=1024, description="rows of R")
    first: int | None = Field(
        None, ge=0, description=f"tokens changed at the beginning ({TOKENS}; all where every token answers)"
    )
    last: int | None = Field(
        None, ge=0, description=f"tokens changed at the end, of the prompt where a text is written ({TOKENS})"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the change")


class Loreft(Hooked):
    """Changes of the states behind the top k layers (of the encoder, where there is one), and the head."""

    Settings: ClassVar[type[MethodSettings]] = LoreftSettings
    name = "loreft"
    summary = "low-rank changes of the states at the first and last tokens"
    paper = "Wu et al. 2024, arXiv:2404.03592"
    head = "mean"
    settings: LoreftSettings

    def recipe(self, num_rows: int) -> Recipe:
        """Few numbers, large steps (benchmarks/results/recipes.json)."""
        reason = f"few numbers take large steps ({num_rows} rows)"
        if num_rows < 200:
            return Recipe(4e-3, 2e-3, 20, "onecycle", reason)
        epochs = 3 if num_rows >= MANY_ROWS else 8
        return Recipe(1e-2, 1e-2, epochs, "onecycle", reason, batch_rows=16)

    def insert(self, backbone: Transformer) -> Inserted:
        """An intervention behind each layer, and a hook that finds the tokens of each pass."""
        from lightune.methods._intervention import Intervention, Interventions, change_output, follow_passes

        inserted = Interventions()
        rank = min(self.settings.rank, backbone.width)
        for path in backbone.layer_paths()[self.frozen_depth(backbone.depth) :]:
            inserted.append(Intervention(backbone.width, rank, self.settings.dropout))
            change_output(backbone.model.get_submodule(path), inserted)
        is_per_token = backbone.spec.is_per_token and not backbone.spec.is_language_model
        entered = [backbone.base]
        if backbone.structure.is_encoder_decoder:  # lightune's own heads run the encoder alone
            entered.append(encoder_of(backbone.base))
        follow_passes(entered, inserted, _ends(self.settings, is_per_token))
        return inserted

    def logits(
        self, backbone: Transformer, activations: Mapping[Tap, torch.Tensor], batch: Batch
    ) -> torch.Tensor:
        """(B, C) logits from the cut on."""
        with _prompts_of(backbone, batch):
            return super().logits(backbone, activations, batch)

    def forward(self, backbone: Transformer, batch: Batch) -> torch.Tensor:
        """(B, C) logits of the whole network."""
        with _prompts_of(backbone, batch):
            return super().forward(backbone, batch)


@contextmanager
def _prompts_of(backbone: Transformer, batch: Batch) -> Iterator[None]:
    """While open, passes know where the prompts end: where the first token of a reply is to be said."""
    import torch

    inserted: Any = backbone.model.get_submodule("inserted")
    is_decoder = backbone.spec.is_language_model and backbone.start_id is None
    if is_decoder and batch.units is not None:  # an encoder reads the prompt alone
        says = batch.units >= 0
        inserted.prompts = torch.where(says.any(1), says.int().argmax(1) + 1, batch.attention_mask.sum(1))
    try:
        yield
    finally:
        inserted.prompts = None


def _ends(settings: LoreftSettings, is_per_token: bool) -> tuple[int, int]:
    """How many tokens from either end."""
    if settings.first is None and settings.last is None and is_per_token:
        return 1 << 30, 0
    first = TOKENS if settings.first is None else settings.first
    return first, TOKENS if settings.last is None else settings.last
