"""Attention rollout: how much of each token reaches the place that the answer is read from.

Abnar and Zuidema 2020, arXiv:2005.00928, section 3: heads averaged, half of each layer its input, the layers
multiplied. It says where a network looks, not what speaks for the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lightune.backbones.transformer import Transformer
    from lightune.core.tokens import Batch


def rollout(attentions: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """L attentions (heads, T, T) -> (T, T): the share of each token (column) in the state of each (row)."""
    found = np.eye(attentions[0].shape[-1])
    for heads in attentions:
        mixed = (heads.astype(np.float64).mean(axis=0) + np.eye(len(found))) / 2
        found = mixed / mixed.sum(axis=1, keepdims=True) @ found
    return found


def attentions_of(backbone: Transformer, batch: Batch) -> list[NDArray[Any]] | None:
    """L attentions (heads, T, T) of a batch of one; None where the network does not tell them."""
    import torch

    base: Any = backbone.base
    if backbone.start_id is not None or not hasattr(base, "set_attn_implementation"):
        return None
    before = base.config._attn_implementation
    try:
        base.set_attn_implementation("eager")  # the fast kernels never form them
        with torch.no_grad():
            found = base(**batch.inputs(), output_attentions=True).attentions
    except (TypeError, ValueError, AttributeError):
        return None
    finally:
        base.set_attn_implementation(before)
    length = batch.input_ids.shape[1]
    if not found or any(one is None or one.dim() != 4 or one.shape[-1] != length for one in found):
        return None
    return [one[0].float().cpu().numpy() for one in found]
