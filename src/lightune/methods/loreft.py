"""LoReFT: a low-rank change of hidden states at a few tokens (Wu et al. 2024, arXiv:2404.03592).

h + R^T (W h + b - R h) at the output of every layer that is changed, with orthonormal rows of R (r, H), for
the first and last tokens of a text; of a prompt, where the model writes. One change a layer serves all its
tokens (the paper's tied weights). W starts as R, b as 0, so that training starts from the untouched network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn.utils import parametrize

from lightune.backbones.base import Tap
from lightune.backbones.structure import encoder_of
from lightune.methods._hooked import Hooked, Inserted, changed
from lightune.methods.base import LayeredSettings, MethodSettings, Recipe

if TYPE_CHECKING:
    from lightune.backbones.transformer import Transformer
    from lightune.core.tokens import Batch

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


class Orthonormal(nn.Module):
    """(r, H) of any numbers -> (r, H) with orthonormal rows that span the same: the Q of a QR decomposition.

    torch's own `parametrizations.orthogonal` keeps signs on the diagonal of its parameter and rounds them
    towards zero: one step of weight decay makes the matrix 0 (torch 2.13). Here the scale does not matter.
    """

    def forward(self, free: torch.Tensor) -> torch.Tensor:
        """The matrix."""
        rows, triangle = torch.linalg.qr(free.T)
        signs = torch.where(triangle.diagonal() < 0, -1.0, 1.0)
        found: torch.Tensor = (rows * signs).T
        return found

    def right_inverse(self, wanted: torch.Tensor) -> torch.Tensor:
        """Rows that are orthonormal already stay as they are."""
        return wanted


class Intervention(nn.Module):
    """(..., H) -> (..., H): R^T (W h + b - R h), what is added to h."""

    def __init__(self, width: int, rank: int, dropout: float) -> None:
        super().__init__()
        self.rotation = nn.Linear(width, rank, bias=False)
        nn.init.orthogonal_(self.rotation.weight)
        parametrize.register_parametrization(self.rotation, "weight", Orthonormal())
        self.source = nn.Linear(width, rank)
        with torch.no_grad():
            self.source.weight.copy_(self.rotation.weight)
            self.source.bias.zero_()
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """The change, to be added."""
        rotation = self.rotation.weight
        change: torch.Tensor = (self.source(hidden) - hidden @ rotation.T) @ rotation
        change = self.dropout(change)
        return change


class Interventions(Inserted):
    """One a layer.

    Attributes:
        places: (B, T) bool, the tokens that are changed in the pass that is running; None: none.
        prompts: (B,) tokens of each prompt, where the pass is over prompts with their replies.
    """

    places: torch.Tensor | None = None
    prompts: torch.Tensor | None = None


class Loreft(Hooked):
    """Changes of the states behind the top k layers (of the encoder, where there is one), and the head."""

    Settings: ClassVar[type[MethodSettings]] = LoreftSettings
    name = "loreft"
    summary = "low-rank changes of the states at the first and last tokens"
    paper = "Wu et al. 2024, arXiv:2404.03592"
    settings: LoreftSettings

    def recipe(self, num_rows: int) -> Recipe:
        """Few numbers, large steps."""
        epochs = 4 if num_rows >= 1000 else 10 if num_rows >= 200 else 20
        return Recipe(4e-3, 2e-3, epochs, "onecycle", f"few numbers take large steps ({num_rows} rows)")

    def insert(self, backbone: Transformer) -> Inserted:
        """An intervention behind each layer, and a hook that finds the tokens of each pass."""
        inserted = Interventions()
        rank = min(self.settings.rank, backbone.width)
        for path in backbone.layer_paths()[self.frozen_depth(backbone.depth) :]:
            inserted.append(Intervention(backbone.width, rank, self.settings.dropout))
            _change_output(backbone.model.get_submodule(path), inserted)
        is_per_token = backbone.spec.is_per_token and not backbone.spec.is_language_model
        first, last = _ends(self.settings, is_per_token)

        def find(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            mask, cache = _mask(given, named), named.get("past_key_values")
            goes_on = cache is not None and cache.get_seq_length() > 0  # behind a prompt that was read before
            is_known = mask is not None and mask.ndim == 2 and not goes_on
            inserted.places = token_ends(mask, inserted.prompts, first, last) if is_known else None

        entered = [backbone.base]
        if backbone.structure.is_encoder_decoder:  # lightune's own heads run the encoder alone
            entered.append(encoder_of(backbone.base))
        for module in entered:
            module.register_forward_pre_hook(find, with_kwargs=True)
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
    inserted: Any = backbone.model.get_submodule("inserted")
    if backbone.spec.is_language_model and batch.units is not None:
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


def _mask(given: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """(B, T) of what a model is called with; `generate` leaves it out where nothing is padding."""
    mask = named.get("attention_mask")
    ids = named.get("input_ids", given[0] if given else None)
    return torch.ones_like(ids) if mask is None and ids is not None else mask


def token_ends(mask: torch.Tensor, prompts: torch.Tensor | None, first: int, last: int) -> torch.Tensor:
    """(B, T) bool: the first and the last tokens that are no padding, which may stand on either side.

    `prompts` (B,) counts only the tokens up to there.
    """
    is_real = mask.bool()
    place = is_real.long().cumsum(1) - 1
    length = is_real.sum(1, keepdim=True) if prompts is None else prompts[:, None]
    is_end = (place < first) | (place >= length - last)
    found: torch.Tensor = is_real & is_end & (place < length)
    return found


def _change_output(layer: nn.Module, inserted: Interventions) -> None:
    """Put the last of `inserted` behind `layer`, at the tokens that the running pass has found."""
    intervention: nn.Module = inserted[-1]

    def add(module: nn.Module, given: object, output: Any) -> Any:
        if inserted.is_off or inserted.places is None:
            return None
        places = inserted.places[..., None]
        return changed(output, lambda hidden: hidden + intervention(hidden) * places.to(hidden))

    layer.register_forward_hook(add)
