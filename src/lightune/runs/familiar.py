"""`familiar.safetensors` of a run folder: where the training rows lie, as means and spreads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lightune.evaluate.familiar import Region

FILE = "familiar.safetensors"
FORM = "unit states half way up"  # files of another form (the last layer's states) tell nothing


def write_region(folder: Path, region: Region) -> None:
    """Write the region beside the weights."""
    from safetensors.numpy import save_file

    numbers = np.array([region.rest, region.threshold])
    known = {"center": region.center, "directions": region.directions, "variances": region.variances}
    save_file(
        {name: np.ascontiguousarray(one) for name, one in {**known, "numbers": numbers}.items()},
        folder / FILE,
        metadata={"form": FORM},
    )


def read_region(folder: Path) -> Region | None:
    """The reverse of `write_region`; None for a run without one, or with one of another form."""
    if not (folder / FILE).exists():
        return None
    from safetensors import safe_open
    from safetensors.numpy import load_file

    with safe_open(folder / FILE, framework="numpy") as file:
        if (file.metadata() or {}).get("form") != FORM:
            return None
    known = load_file(folder / FILE)
    rest, threshold = known["numbers"].tolist()
    return Region(known["center"], known["directions"], known["variances"], rest, threshold)
