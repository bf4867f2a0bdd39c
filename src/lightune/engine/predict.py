"""Logits of many rows: bucketed by length, answered in the order asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightune.core.tokens import Batch, Ints, Tokens, pool_windows
from lightune.engine.batches import reading_batches

if TYPE_CHECKING:
    import torch

    from lightune.core.progress import Bar

Forward = Callable[[Batch], "torch.Tensor"]
READ_TOKENS = 1024  # padded tokens of a pass without gradients: more is no faster on a CPU, and takes memory


def logits_of(
    forward: Forward,
    tokens: Tokens,
    rows: Ints,
    *,
    pad_id: int,
    batch_tokens: int,
    device: str = "cpu",
    bar: Bar | None = None,
) -> NDArray[Any]:
    """(len(rows), C) logits, windows pooled, in the order of `rows`; dropout must be off already."""
    import torch

    rows = np.asarray(rows, dtype=np.int64)
    place = {int(row): number for number, row in enumerate(rows)}
    found: NDArray[Any] | None = None
    with torch.inference_mode():
        for part in reading_batches(tokens, rows, batch_tokens):
            batch = tokens.batch(part, pad_id=pad_id, device=device)
            logits = pool_windows(forward(batch), batch).float().cpu().numpy()
            if found is None:
                found = np.empty((len(rows), logits.shape[1]), dtype=np.float32)
            found[[place[int(row)] for row in part]] = logits
            if bar is not None:
                bar.advance(len(part))
    return np.zeros((0, 1), np.float32) if found is None else found
