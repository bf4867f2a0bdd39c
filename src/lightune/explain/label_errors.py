"""Labels that are likely wrong: confident learning (Northcutt et al. 2021, arXiv:1911.00068), by cleanlab.

Where models are right on four rows of five, it calls as many hard rows wrong as wrong ones. How many labels
are wrong is seen better on the rows that models are surest of (anchor points: Liu and Tao 2016,
arXiv:1411.7718): no more than that are called wrong.
"""

from __future__ import annotations

import importlib.util

import numpy as np
from numpy.typing import NDArray

from lightune.core.errors import missing_extra

SUREST, LEAST_SURE = 0.1, 100  # the share of rows that tells how many labels are wrong; rows, at least


def require_cleanlab() -> None:
    """Raise `UserError` with the command that installs cleanlab, where it is missing."""
    if importlib.util.find_spec("cleanlab") is None:
        raise missing_extra("cleanlab", "trust")


def label_errors(
    gold: NDArray[np.int64], probability: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """(B,) whether a label is likely wrong, and (B,) how likely, 0 to 1, for all rows.

    A row is flagged where the counts of confident learning say so for its pair of classes, the class it is
    given is not the one that was predicted, and it is among the most doubted: as many as `share_wrong` says.
    The score is 1 - p(given label).

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
    most = round(share_wrong(gold, probability) * len(gold))
    is_doubted = np.zeros(len(gold), dtype=bool)
    is_doubted[np.argsort(-score, kind="stable")[:most]] = True
    return np.asarray(is_flagged & is_doubted, dtype=bool), np.asarray(score, dtype=np.float64)


def share_wrong(gold: NDArray[np.int64], probability: NDArray[np.float64]) -> float:
    """About which share of the labels is wrong, rather too large: that of the rows models are surest of.

    Args:
        gold: (B,) class numbers.
        probability: (B, C) out-of-fold.
    """
    surest = np.argsort(-probability.max(axis=1), kind="stable")[: max(LEAST_SURE, int(SUREST * len(gold)))]
    return float(np.mean(probability[surest].argmax(axis=1) != gold[surest]))
