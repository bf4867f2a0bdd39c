"""`familiar.safetensors` of a run folder: where the training rows lie, as means and spreads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lightune.evaluate.familiar import Region

FILE = "familiar.safetensors"


def write_region(folder: Path, region: Region) -> None:
    """Write the region beside the weights."""
    from safetensors.numpy import save_file

    numbers = np.array([region.rest, region.threshold])
    known = {"center": region.center, "directions": region.directions, "variances": region.variances}
    save_file(
        {name: np.ascontiguousarray(one) for name, one in {**known, "numbers": numbers}.items()},
        folder / FILE,
    )


def read_region(folder: Path) -> Region | None:
    """The reverse of `write_region`; None for a run without one."""
    if not (folder / FILE).exists():
        return None
    from safetensors.numpy import load_file

    known = load_file(folder / FILE)
    rest, threshold = known["numbers"].tolist()
    return Region(known["center"], known["directions"], known["variances"], rest, threshold)
