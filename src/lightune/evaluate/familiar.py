"""How far a vector lies from those that a model was trained on: Mahalanobis distance, few numbers kept.

Lee et al. 2018 (arXiv:1807.03888) on pooled states, without classes. The covariance is that of a
probabilistic principal component analysis (Tipping and Bishop 1999): R directions with a variance each, one
variance for all others. So a few hundred rows suffice, and what is kept are means over rows, no row itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DIRECTIONS = 64
LEAST_ROWS = 16  # fewer say nothing about a spread
USUAL_SHARE = 0.01  # of rows like those of training that lie beyond the threshold
SURE = 0.02  # how improbable a number of far rows must be to be told


@dataclass(frozen=True)
class Region:
    """Where the training rows lie: center (H,), directions (R, H), variances (R,), rest, threshold."""

    center: Floats
    directions: Floats
    variances: Floats
    rest: float
    threshold: float = float("inf")

    def distances(self, vectors: NDArray[Any]) -> Floats:
        """(B,) squared Mahalanobis distance of vectors (B, H), divided by H: about 1 where it was fitted."""
        moved = np.asarray(vectors, dtype=np.float64) - self.center
        along = moved @ self.directions.T
        beside = np.maximum((moved**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        found = (along**2 / self.variances).sum(axis=1) + beside / self.rest
        return np.asarray(found / len(self.center))

    def with_threshold(self, held: NDArray[Any]) -> Region:
        """The same region, its threshold passed by 1% of the rows `held` (B, H), none of them fitted."""
        limit = float(np.quantile(self.distances(held), 1 - USUAL_SHARE))
        return Region(self.center, self.directions, self.variances, self.rest, limit)


def fit_region(vectors: NDArray[Any]) -> Region:
    """The region of vectors (B, H)."""
    vectors = np.asarray(vectors, dtype=np.float64)
    num_rows, width = vectors.shape
    assert num_rows >= LEAST_ROWS, "a region needs rows"
    center = vectors.mean(axis=0)
    _, values, directions = np.linalg.svd(vectors - center, full_matrices=False)
    spread = values**2 / (num_rows - 1)
    kept = min(DIRECTIONS, num_rows // 4, width - 1)
    floor = max(float(spread.sum()) / width * 1e-3, 1e-12)
    rest = max(float(spread[kept:].sum()) / (width - kept), floor)
    return Region(center, directions[:kept], np.maximum(spread[:kept], rest), rest)


def is_unusual(num_far: int, num_rows: int) -> bool:
    """Whether so many rows beyond the threshold are more than chance would bring."""
    from scipy.special import betainc  # the binomial distribution's tail; scipy.stats takes long to load

    return num_far > 0 and float(betainc(num_far, num_rows - num_far + 1, USUAL_SHARE)) < SURE
