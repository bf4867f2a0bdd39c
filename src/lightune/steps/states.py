"""One vector a row from a network: the mean of its last states, from the store where they are in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lightune.backbones.base import Tap
from lightune.core.progress import Show
from lightune.core.rows import Decisions
from lightune.core.tokens import Ints, Tokens, pool_windows
from lightune.engine.predict import Reading, in_order
from lightune.request import Request
from lightune.steps.prepare import Prepared
from lightune.steps.reading import read_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from lightune.core.tokens import Batch


def states_of(
    prepared: Prepared, request: Request, show: Show, depths: Sequence[int] | None = None
) -> np.ndarray:
    """(D, E, H) means of the untouched network's states at some depths, the last alone unless told.

    Windows of a long text are averaged. Read from the activation store, and put there first where they are
    missing.
    """
    backbone = prepared.backbone
    taps = tuple(Tap(depth, "mean") for depth in depths or (backbone.depth,))
    rows = np.arange(prepared.tokens.num_examples)
    filled = read_once(backbone, prepared.tokens, taps, prepared.pace, request.cache, Decisions(), show)

    def read(batch: Batch) -> torch.Tensor:
        import torch

        found = filled.read(batch) if filled else backbone.below(batch, taps)
        return torch.stack([pool_windows(found[tap].float(), batch) for tap in taps], dim=1)

    found = gather_vectors(read, prepared.tokens, rows, Reading(backbone.pad_id, backbone.device))
    return found.transpose(1, 0, 2)


def gather_vectors(
    read: Callable[[Batch], torch.Tensor], tokens: Tokens, rows: Ints, how: Reading
) -> np.ndarray:
    """(len(rows), ...) float32 of what `read` gives for batches, in the order of `rows`."""

    def read_lines(batch: Batch) -> np.ndarray:
        return read(batch).float().cpu().numpy()

    found = in_order(read_lines, tokens, rows, how)
    assert found is not None, "there is at least one row"
    return found
