"""The choice of arithmetic: measured once, remembered, and never mixed up in the store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lightune.backbones import precision
from lightune.backbones.base import HeadSpec, Tap
from lightune.backbones.precision import Speeds, computing, kernel_name, measured_speeds
from lightune.backbones.transformer import Transformer
from lightune.core.tokens import Batch, Tokens
from tests.making import TinyModel

SPEC = HeadSpec("AutoModelForSequenceClassification", 2, "single_label_classification", ("a", "b"))


@pytest.fixture
def backbone(tiny: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Transformer:
    monkeypatch.setenv("LIGHTUNE_CACHE", str(tmp_path / "cache"))
    return Transformer.load(str(tiny("bert")), SPEC, head="standard", identifier="tiny", digest="d1")


def batch_of(backbone: Transformer) -> Batch:
    tokens = Tokens.from_lists([[2, 5, 6, 7, 3], [2, 8, 3]], None, [1, 1])
    return tokens.batch(np.arange(2), pad_id=backbone.pad_id)


def test_bfloat16_must_be_clearly_faster() -> None:
    assert Speeds(1000.0, 1100.0).best == "float32"
    assert Speeds(1000.0, 1900.0).best == "bfloat16"


def test_measured_once_and_then_remembered(backbone: Transformer, tmp_path: Path) -> None:
    calls = []

    def forward(batch: Batch) -> torch.Tensor:
        calls.append(torch.is_autocast_enabled("cpu"))
        return backbone.forward(batch)

    batches = [batch_of(backbone)]
    first = measured_speeds(forward, batches[0], batches, digest="d1", device="cpu")
    assert first.float32 > 0 and first.bfloat16 > 0
    assert set(calls) == {False, True}, "both arithmetics ran"
    file = tmp_path / "cache" / "speeds.json"
    [name] = json.loads(file.read_text())
    file.write_text(json.dumps({name: {"float32": 10.0, "bfloat16": 20.0}}))
    number = len(calls)
    assert measured_speeds(forward, batches[0], batches, digest="d1", device="cpu") == Speeds(10.0, 20.0)
    assert len(calls) == number
    file.write_text(json.dumps({name: {"float32": 10.0, "bfloat16": 9.0}}))
    measured_speeds(forward, batches[0], batches, digest="d1", device="cpu")
    assert len(calls) > number, "it may have been measured while the machine was busy"
    file.write_text(json.dumps({name: {"float32": 1e-3, "bfloat16": 1e-4}}))
    calls.clear()
    assert measured_speeds(forward, batches[0], batches, digest="d1", device="cpu").best == "float32"
    assert set(calls) == {False}, "emulated bfloat16 is not waited for again"
    number = len(calls)
    measured_speeds(forward, batches[0], batches, digest="another model", device="cpu")
    assert len(calls) > number
    assert len(json.loads((tmp_path / "cache" / "speeds.json").read_text())) == 2


def test_emulated_bfloat16_is_given_up_after_a_small_batch(
    backbone: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def speed(_: object, batches: list[Batch], arithmetic: str, *__: object) -> float:
        asked.append((arithmetic, len(batches)))
        return 100.0 if arithmetic == "float32" else 20.0

    monkeypatch.setattr(precision, "_speed", speed)
    batches = [batch_of(backbone)] * 3
    found = measured_speeds(backbone.forward, batches[0], batches, digest="d1", device="cpu")
    assert found == Speeds(100.0, 20.0)
    assert {one for one in asked if one[0] == "bfloat16"} == {("bfloat16", 1)}, "the small batch alone"


def test_broken_record_is_measured_again(backbone: Transformer, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache" / "speeds.json").write_text("{half")
    assert (
        measured_speeds(
            backbone.forward, batch_of(backbone), [batch_of(backbone)], digest="d1", device="cpu"
        ).float32
        > 0
    )


def test_bfloat16_is_near_float32_and_float32_is_untouched(backbone: Transformer) -> None:
    batch, tap = batch_of(backbone), Tap(backbone.depth)
    exact = backbone.below(batch, [tap])[tap]
    with computing("bfloat16", "cpu"):
        rounded = backbone.below(batch, [tap])[tap].float()
    with computing("float32", "cpu"):
        again = backbone.below(batch, [tap])[tap]
    assert torch.equal(exact, again)
    assert 0 < (rounded - exact).abs().max() < 0.1
    assert kernel_name("cpu", "float32") != kernel_name("cpu", "bfloat16")


def test_predictions_are_exact_unless_asked(monkeypatch: pytest.MonkeyPatch, backbone: Transformer) -> None:
    """Fast asks for the measurement; exact never does."""
    from lightune.run import Run

    run = Run.__new__(Run)
    run.backbone = backbone
    monkeypatch.setattr("lightune.engine.plan.FEW_TOKENS", 1)
    monkeypatch.setattr("lightune.engine.plan.measured_speeds", lambda *a, **k: Speeds(1.0, 9.0))
    tokens = Tokens.from_lists([[2, 5, 3]] * 5, None, [1] * 5)
    assert run._arithmetic(tokens, "exact", 1) == "float32"
    assert run._arithmetic(tokens, "fast", 1) == "bfloat16"
