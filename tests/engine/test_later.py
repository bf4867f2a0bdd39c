"""Progressive freezing: after the first epoch the lower layers stand still and are read from the store."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

from lightune.core.errors import UserError
from lightune.engine import activations as store
from tests.engine.test_cached_training import losses
from tests.making import TinyModel, train_tiny

LATER = {"later_layers": "1"}


def trained(folder: Path, model: Path, epochs: int, **asked: object) -> dict[str, object]:
    folder.mkdir()
    groups = {"train": {"epochs": epochs, "schedule": "constant", "patience": 0}, "speed": LATER}
    return train_tiny(folder, model, groups={**groups, **asked}, method="full")  # type: ignore[arg-type]


def test_lower_layers_stand_still_after_the_first_epoch(tiny: TinyModel, tmp_path: Path) -> None:
    model, before = tiny("bert"), store.entries()
    summary = trained(tmp_path / "three", model, 3)
    all_along = trained(tmp_path / "one", model, 1)
    three, one = (load_file(tmp_path / name / "run" / "model.safetensors") for name in ("three", "one"))
    same = {name for name in one if one[name].equal(three[name])}
    last = max(int(name.split(".layer.")[1].split(".")[0]) for name in one if ".layer." in name)
    if summary["best_epoch"] == 1:
        pytest.fail("the first epoch was kept: nothing is proven")
    assert {name for name in one if ".layer." in name and f".layer.{last}." not in name} <= same
    assert not any(f".layer.{last}." in name for name in same)
    assert summary["cached_depth"] == last
    assert summary["trainable_parameters"] == all_along["trainable_parameters"], "all have trained"
    assert {one.name for one in store.entries()} <= {one.name for one in before}, "kept for this run alone"


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_from_the_store_or_not_the_losses_are_the_same(kind: str, tiny: TinyModel, tmp_path: Path) -> None:
    cached = losses(tmp_path / "cached", tiny(kind), {"dtype": "float32"}, "lora", speed=LATER)
    plain = losses(tmp_path / "plain", tiny(kind), {"off": "true"}, "lora", speed=LATER)
    whole = losses(tmp_path / "whole", tiny(kind), {"off": "true"}, "lora", speed={})
    assert max(abs(a - b) for a, b in zip(cached, plain, strict=True)) < 1e-5
    third = len(whole) // 3
    assert cached[:third] == pytest.approx(whole[:third], abs=1e-5)
    assert cached[third + 2 :] != pytest.approx(whole[third + 2 :], abs=1e-5)


def test_a_method_that_trains_no_layers_refuses(tiny: TinyModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="trains no layers"):
        train_tiny(tmp_path, tiny("bert"), groups={"speed": LATER}, method="head")
