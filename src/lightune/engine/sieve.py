"""Which rows of a step are worth going back through (Jiang et al. 2019, arXiv:1910.00762).

A row that is answered rightly and surely has next to no gradient. Once many rows are like that, each step
first asks for the losses alone, a third of the price of a full pass, and goes forward and back only through
the rows that are not there yet. The loss stays the mean over all rows of the step: what is left out counts
as no gradient, not as if it had not been there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune.core.tokens import Ints

if TYPE_CHECKING:
    import torch

MEMORY = 0.1  # how much the last piece counts in the share of easy rows
PAYS = 0.5  # share of easy rows from which the extra pass (about 0.3 of a full one) costs less than it saves


class Sieve:
    """Tells the rows of a piece that have something to learn from; it starts to work when that pays.

    Args:
        below: rows with a smaller loss are easy; 0: all rows are gone through.
        share: the share of easy rows lately, as a checkpoint kept it.
    """

    def __init__(self, below: float, share: float = 0.0) -> None:
        self.below = below
        self.share = share
        self.is_open = False

    def start_step(self) -> None:
        """Decide for a whole step whether its rows are sifted."""
        self.is_open = self.below > 0 and self.share > PAYS

    def sift(self, losses_of: Callable[[Ints], torch.Tensor], pieces: tuple[Ints, ...]) -> tuple[Ints, float]:
        """(rows worth a backward pass, summed loss of the others); losses are (B,), one a row."""
        import torch

        hard, left = [], 0.0
        for piece in pieces:
            with torch.no_grad():
                losses = losses_of(piece)
            if len(losses) != len(piece):  # several answers a row: none of it is left out
                self.below = 0.0
                return np.concatenate(pieces), 0.0
            is_easy = (losses < self.below).cpu().numpy()
            self._remember(float(is_easy.mean()))
            hard.append(piece[~is_easy])
            left += float(losses[torch.from_numpy(is_easy).to(losses.device)].sum())
        return np.concatenate(hard), left

    def saw(self, losses: torch.Tensor, piece: Ints) -> None:
        """Take note of the losses of a full pass; tasks with several answers a row are never sifted."""
        if len(losses) != len(piece):
            self.below = 0.0
        elif self.below > 0 and not self.is_open:
            self._remember(float((losses.detach() < self.below).float().mean()))

    def _remember(self, share: Any) -> None:
        self.share += MEMORY * (share - self.share)
