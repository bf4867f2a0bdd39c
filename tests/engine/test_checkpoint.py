"""Checkpoints hold what they were given, also where tensors share memory, and copy no more than they must."""

from __future__ import annotations

from pathlib import Path

import torch

from lightune.engine import checkpoint
from lightune.engine.checkpoint import Checkpoint, Progress


def test_what_shares_memory_comes_back_whole(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    trained = {"whole": whole, "row": whole[1], "turned": whole.T, "empty": torch.zeros(0), "none": whole[:0]}
    best = {"whole": whole}
    state = {"0.average": torch.ones(2, 2)}
    checkpoint.save(tmp_path, Checkpoint(Progress(step=3), trained, best, state, torch.get_rng_state()))
    found = checkpoint.load(tmp_path)
    assert found is not None
    assert found.progress.step == 3
    for group, wanted in ((found.trained, trained), (found.best, best), (found.optimizer, state)):
        assert group.keys() == wanted.keys()
        assert all(torch.equal(group[name], one) for name, one in wanted.items())


def test_weights_are_not_copied() -> None:
    """A copy of all of them, of the best ones and of two averages would be four times the model."""
    weights = {name: torch.zeros(8, 8) for name in ("a", "b")}
    found = checkpoint._apart({**weights, "again": weights["a"], "part": torch.zeros(9)[1:]})
    assert all(found[name] is weights[name] for name in weights)
    assert found["again"].data_ptr() != weights["a"].data_ptr()
    assert found["part"].untyped_storage().nbytes() == found["part"].nbytes
