"""Proof 1: training on cached activations equals training without the cache, step by step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.making import TinyModel, train_tiny

KINDS = ["bert", "gpt2", "llama", "t5", "deberta", "modernbert", "bart"]


def losses(
    folder: Path,
    model: Path,
    cache: dict[str, str],
    method: str,
    head: str = "auto",
    speed: dict[str, str] | None = None,
) -> list[float]:
    """The loss of every step of a short run; `speed`: with all layers at first."""
    from lightune.engine import checkpoint

    found: list[float] = []
    original = checkpoint.save

    def keep(place: Path, state: checkpoint.Checkpoint) -> None:
        found[:] = state.progress.step_losses
        original(place, state)

    folder.mkdir(parents=True)
    layers = {} if method == "head" or speed is not None else {"layers": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", keep)
        train_tiny(
            folder,
            model,
            method=method,
            head=head,
            groups={
                "train": {"epochs": 3, "batch_rows": 8, "learning_rate": 1e-3},
                "method": layers,
                "cache": cache,
                "speed": speed or {},
            },
        )
    return found


@pytest.mark.parametrize(
    ("method", "kind"),
    [(method, kind) for method in ("lora", "full") for kind in KINDS]
    + [(method, kind) for method in ("adapter", "loreft") for kind in ("bert", "gpt2", "t5")],
)
def test_cached_equals_uncached(kind: str, method: str, tiny: TinyModel, tmp_path: Path) -> None:
    """With dropout on above the cut, float32 store: the same loss in every step to 1e-5."""
    model = tiny(kind)
    cached = losses(tmp_path / "cached", model, {"dtype": "float32"}, method)
    plain = losses(tmp_path / "plain", model, {"off": "true"}, method)
    assert len(cached) >= 12
    assert np.abs(np.array(cached) - plain).max() < 1e-5
    assert cached[0] != cached[-1]


@pytest.mark.parametrize("head", ["mean", "attention", "standard"])
def test_cached_head_equals_uncached(head: str, tiny: TinyModel, tmp_path: Path) -> None:
    cached = losses(tmp_path / "cached", tiny("bert"), {"dtype": "float32"}, "head", head)
    plain = losses(tmp_path / "plain", tiny("bert"), {"off": "true"}, "head", head)
    assert np.abs(np.array(cached) - plain).max() < 1e-5


def test_float16_differs_little(tiny: TinyModel, tmp_path: Path) -> None:
    """Half precision storage moves the losses, but less than a hundredth; docs/log.md has the figure."""
    full = np.array(losses(tmp_path / "full", tiny("bert"), {"dtype": "float32"}, "lora"))
    half = np.array(losses(tmp_path / "half", tiny("bert"), {"dtype": "float16"}, "lora"))
    difference = np.abs(full - half)
    assert 0 < difference.max() < 1e-2
