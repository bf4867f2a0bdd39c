"""Looking at the middle states while a network answers: does the input look like what it was trained on?

No pass is spent on it: the states are kept by a hook in the pass that gives the logits. Half way up, and at
length 1: the last layer's lengths say more of the labels than of the text, and training bends it. Movies
against e-mail, AUROC: 0.99 there, 0.16 with the last layer as it is (MiniLM untouched, 2026-11).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightune.core.tokens import Batch, Ints, Tokens, pool_windows
from lightune.evaluate.familiar import Region, is_unusual

if TYPE_CHECKING:
    import torch

    from lightune.backbones.transformer import Transformer

Forward = Callable[[Batch], "torch.Tensor"]
MOST_NAMED = 5
MOST_WAITING = 4096  # rows whose vectors are held until they are measured


def watched_depth(backbone: Transformer) -> int:
    """The depth looked at: half way up; the top of a network whose layers are one layer."""
    return backbone.depth if backbone.structure.is_shared else max(1, backbone.depth // 2)


def unit_means(hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
    """hidden: (B, T, H) -> (examples, H): means over tokens and windows, of length 1."""
    from lightune.backbones.heads import reduce_tokens

    length = batch.attention_mask.shape[1]
    hidden = hidden.float()[:, -length:]  # what a prompt method puts in front is no text
    return unit_vectors(reduce_tokens(hidden, batch.attention_mask, "mean"), batch)


def unit_vectors(means: torch.Tensor, batch: Batch) -> torch.Tensor:
    """means: (B, H) of windows -> (examples, H) of length 1."""
    from torch.nn.functional import normalize

    return normalize(pool_windows(means.float(), batch), dim=1)


def with_states(
    backbone: Transformer, forward: Forward, batch: Batch, *, stops: bool = False
) -> tuple[torch.Tensor | None, torch.Tensor]:
    """What `forward` gives (None where the pass `stops` there), and (examples, H) states looked at."""
    from lightune.backbones.cut import ended_by, keeping

    kept: dict[int, torch.Tensor] = {}
    depth = watched_depth(backbone)
    outputs = None
    with keeping(backbone.model, backbone.structure, [depth], kept, stops=stops), ended_by(kept):
        outputs = forward(batch)
    assert kept, "a whole pass runs every layer"
    return outputs, unit_means(kept[depth], batch)


class Watch:
    """Counts rows that lie beyond the threshold of a region."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.waiting: list[tuple[Ints, NDArray[Any]]] = []  # rows and their vectors, not measured yet
        self._known: NDArray[np.float64] = np.zeros(0)
        self._lock = threading.Lock()
        self.num_rows = 0
        self.num_far = 0
        self.first_far: list[int] = []

    def around(self, forward: Forward, backbone: Transformer, tokens: Tokens) -> Forward:
        """The same `forward`, watched."""
        self.waiting, self._known = [], np.zeros(tokens.num_examples)

        def watched(batch: Batch) -> torch.Tensor:
            outputs, vectors = with_states(backbone, forward, batch)
            assert outputs is not None, "a pass that does not stop gives logits"
            owner = batch.owner.cpu().numpy()
            starts = np.flatnonzero(np.diff(owner, prepend=-1))  # the first window of each example
            rows = np.searchsorted(tokens.windows, batch.sequences[starts], side="right") - 1
            with self._lock:  # several passes may run at once
                self.waiting.append((rows, vectors.cpu().numpy()))
                if sum(len(some) for some, _ in self.waiting) >= MOST_WAITING:
                    self._measure()
            return outputs

        return watched

    def distances(self) -> NDArray[np.float64]:
        """(B,) distances over the threshold of the rows asked last: above 1 is far."""
        self._measure()
        return self._known

    def _measure(self) -> None:
        """The distances of the rows that wait, many at once.

        NumPy's threads go on waiting for more work after a product, and take the cores from the next pass:
        4,000 movie sentences took 19.0 s with a product after each of 110 passes, 11.4 like this (2 cores,
        2026-11).
        """
        if not self.waiting:
            return
        rows, vectors = (np.concatenate(parts) for parts in zip(*self.waiting, strict=True))
        self._known[rows] = self.region.distances(vectors) / self.region.threshold
        self.waiting = []

    def count(self) -> None:
        """Add the rows asked last to the counts."""
        distances = self.distances()
        far = np.flatnonzero(distances > 1)
        self.first_far += (far[: MOST_NAMED - len(self.first_far)] + self.num_rows).tolist()
        self.num_rows += len(distances)
        self.num_far += len(far)

    def summary(self) -> dict[str, Any]:
        """{rows, far, share, is_alarm, first_rows}: more far rows than chance brings are an alarm."""
        return {
            "rows": self.num_rows,
            "far": self.num_far,
            "share": self.num_far / max(1, self.num_rows),
            "is_alarm": is_unusual(self.num_far, self.num_rows),
            "first_rows": self.first_far,
        }
