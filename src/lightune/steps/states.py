"""One vector a row from a network: the mean of its last states, from the store where they are in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lightune.backbones.base import Tap
from lightune.core.progress import Show
from lightune.core.rows import Decisions
from lightune.core.tokens import Ints, Tokens, pool_windows
from lightune.engine.predict import in_order
from lightune.request import Request
from lightune.steps.prepare import Prepared, read_once

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from lightune.core.tokens import Batch


def states_of(prepared: Prepared, request: Request, show: Show) -> np.ndarray:
    """(E, H) means of the untouched network's last states, windows of a long text averaged.

    Read from the activation store, and put there first where they are missing.
    """
    backbone = prepared.backbone
    tap = Tap(backbone.depth, "mean")
    rows = np.arange(prepared.tokens.num_examples)
    filled = read_once(backbone, prepared.tokens, (tap,), prepared.pace, request.cache, Decisions(), show)

    def read(batch: Batch) -> torch.Tensor:
        found = filled.read(batch)[tap] if filled else backbone.below(batch, [tap])[tap]
        return pool_windows(found.float(), batch)

    return gather_vectors(read, prepared.tokens, rows, pad_id=backbone.pad_id, device=backbone.device)


def gather_vectors(
    read: Callable[[Batch], torch.Tensor], tokens: Tokens, rows: Ints, *, pad_id: int, device: str
) -> np.ndarray:
    """(len(rows), H) float32 of what `read` gives for batches, a line an example, in the order of `rows`."""
    found = in_order(lambda one: read(one).float().cpu().numpy(), tokens, rows, pad_id=pad_id, device=device)
    assert found is not None, "there is at least one row"
    return found
