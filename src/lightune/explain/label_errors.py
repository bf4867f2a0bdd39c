"""Labels that are likely wrong: confident learning (Northcutt et al. 2021, arXiv:1911.00068), by cleanlab."""

from __future__ import annotations

import importlib.util

import numpy as np
from numpy.typing import NDArray

from lightune.core.errors import missing_extra


def require_cleanlab() -> None:
    """Raise `UserError` with the command that installs cleanlab, where it is missing."""
    if importlib.util.find_spec("cleanlab") is None:
        raise missing_extra("cleanlab", "trust")


def label_errors(
    gold: NDArray[np.int64], probability: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """(B,) whether a label is likely wrong, and (B,) how likely, 0 to 1, for all rows.

    A row is flagged where the counts of confident learning say so for its pair of classes, and the class it
    is given is not the one that was predicted. The score is 1 - p(given label).

    Args:
        gold: (B,) class numbers, each of the C at least once.
        probability: (B, C) out-of-fold: by models that were not trained on the row.

    Raises:
        UserError: cleanlab is not installed.
    """
    require_cleanlab()
    from cleanlab.filter import find_label_issues

    is_flagged = find_label_issues(gold, probability, filter_by="both", n_jobs=1)
    score = 1 - probability[np.arange(len(gold)), gold]
    return np.asarray(is_flagged, dtype=bool), np.asarray(score, dtype=np.float64)
