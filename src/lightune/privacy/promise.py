"""What a private run promises and what it does not, in plain words, for the card and the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

LARGE = 1e4


def promise(record: Mapping[str, Any]) -> list[str]:
    """Sentences about a private run; [] for a run that is not private.

    Args:
        record: what `PrivateDescent.finish` found, and `rows`.
    """
    if not record.get("epsilon"):
        return []
    factor = math.exp(record["epsilon"])
    checked = "Checked after training: weights changed"
    if record.get("gradients"):
        checked += (
            f", gradients were computed {record['gradients']}, {record['clipped_share']:.0%} of them were "
            "longer than the clip and were cut to it"
        )
    before = record.get("steps_taken", 0) - record.get("steps_taken_now", 0)
    if before:
        checked += f"; {before:,} of the steps were taken before the run was stopped, and count in full"
    times = f"{factor:,.0f}" if factor < LARGE else f"{factor:.1g}"
    return [
        f"Trained with differential privacy (DP-SGD): epsilon {record['epsilon']:.2f} at delta "
        f"{record['delta']:.2g} (accountant {record['accountant']}); noise multiplier "
        f"{record['noise']:.3f}, gradients of single rows clipped to norm {record['clip']:g}, "
        f"{record['steps']:,} steps with each of {record['rows']:,} rows drawn with chance "
        f"{record['rate']:.3f}.",
        "In words: whether one training row was there or not changes the chance of any result by a factor "
        f"of at most e^epsilon = {times}, but for a chance of delta. In practice attacks gain far less.",
        f"{checked}.",
        "Promised for: the trained weights, and each training row by itself (with all its windows, and both "
        "sides of a pair). A person with several rows is protected less.",
        "Not promised for: validation and test rows, which chose the epoch and gave every figure here; the "
        "names of labels and columns, the number of rows and the length at which texts are cut; the "
        "figures of the baselines, which learnt from the same rows without noise; the row numbers in "
        "splits.json (take it out before you give the run away); the activations stored on the machine "
        "that trained it.",
        "The noise comes from the system's randomness through torch's generator, which is not a "
        "cryptographic one.",
    ]
