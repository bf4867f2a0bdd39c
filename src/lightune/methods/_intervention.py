"""The changes of the method `loreft`, the tokens that they are made at, and the hooks that make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from lightune.methods._inserted import Inserted, changed


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


def follow_passes(entered: Sequence[nn.Module], inserted: Interventions, ends: tuple[int, int]) -> None:
    """Before each pass of `entered`, find the tokens that it changes: so many from either end."""
    first, last = ends

    def find(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        mask, cache = _mask(given, named), named.get("past_key_values")
        goes_on = cache is not None and cache.get_seq_length() > 0  # behind a prompt that was read before
        is_known = mask is not None and mask.ndim == 2 and not goes_on
        inserted.places = token_ends(mask, inserted.prompts, first, last) if is_known else None

    for module in entered:
        module.register_forward_pre_hook(find, with_kwargs=True)


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


def change_output(layer: nn.Module, inserted: Interventions) -> None:
    """Put the last of `inserted` behind `layer`, at the tokens that the running pass has found."""
    intervention: nn.Module = inserted[-1]

    def add(module: nn.Module, given: object, output: Any) -> Any:
        if inserted.is_off or inserted.places is None:
            return None
        places = inserted.places[..., None]
        return changed(output, lambda hidden: hidden + intervention(hidden) * places.to(hidden))

    layer.register_forward_hook(add)
