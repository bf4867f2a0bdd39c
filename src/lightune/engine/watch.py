"""Looking at the last states while a network answers: does the input look like what it was trained on?

No pass is spent on it: the states are kept by a hook in the pass that gives the logits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightune.core.tokens import Batch, Tokens, pool_windows
from lightune.evaluate.familiar import Region, is_unusual

if TYPE_CHECKING:
    import torch

    from lightune.backbones.transformer import Transformer

Forward = Callable[[Batch], "torch.Tensor"]
MOST_NAMED = 5


def with_states(
    backbone: Transformer, forward: Forward, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What `forward` gives, and (examples, H) means of the last layer's output; None if it did not run."""
    from lightune.backbones.cut import keeping
    from lightune.backbones.heads import reduce_tokens

    kept: dict[int, torch.Tensor] = {}
    with keeping(backbone.model, backbone.structure, [backbone.depth], kept):
        outputs = forward(batch)
    if not kept:
        return outputs, None
    length = batch.attention_mask.shape[1]
    hidden = kept[backbone.depth].float()[:, -length:]  # what a prompt method puts in front is no text
    return outputs, pool_windows(reduce_tokens(hidden, batch.attention_mask, "mean"), batch)


class Watch:
    """Counts rows that lie beyond the threshold of a region.

    `last` holds (B,) distances over the threshold of the rows asked last: above 1 is far.
    """

    def __init__(self, region: Region) -> None:
        self.region = region
        self.last: NDArray[np.float64] = np.zeros(0)
        self.num_rows = 0
        self.num_far = 0
        self.first_far: list[int] = []

    def around(self, forward: Forward, backbone: Transformer, tokens: Tokens) -> Forward:
        """The same `forward`, watched."""
        self.last = np.zeros(tokens.num_examples)

        def watched(batch: Batch) -> torch.Tensor:
            outputs, vectors = with_states(backbone, forward, batch)
            assert vectors is not None, "a whole pass runs the last layer"
            owner = batch.owner.cpu().numpy()
            starts = np.flatnonzero(np.diff(owner, prepend=-1))  # the first window of each example
            rows = np.searchsorted(tokens.windows, batch.sequences[starts], side="right") - 1
            self.last[rows] = self.region.distances(vectors.cpu().numpy()) / self.region.threshold
            return outputs

        return watched

    def count(self) -> None:
        """Add the rows asked last to the counts."""
        far = np.flatnonzero(self.last > 1)
        self.first_far += (far[: MOST_NAMED - len(self.first_far)] + self.num_rows).tolist()
        self.num_rows += len(self.last)
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
