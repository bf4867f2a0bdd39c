"""Float32 products by oneDNN: the same numbers, where it pays, and only without gradients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import linear

from lightune.backbones import products
from lightune.backbones.precision import reading_in
from lightune.backbones.products import LEAST_STATES, by_onednn, is_onednn_quicker, pays, quick_products

if not torch.backends.mkldnn.is_available():
    pytest.skip("this torch has no oneDNN", allow_module_level=True)

NAME = f"torch-{torch.__version__}-{torch.get_num_threads()}"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes that went to oneDNN, on a machine where it is known to be twice as quick."""
    monkeypatch.setenv("LIGHTUNE_CACHE", str(tmp_path))
    (tmp_path / "products.json").write_text(json.dumps({NAME: {"torch": 2.0, "onednn": 1.0}}))
    seen: list[tuple[int, ...]] = []

    def counted(inputs: torch.Tensor, *rest: Any) -> torch.Tensor:
        seen.append(tuple(inputs.shape))
        return by_onednn(inputs, *rest)

    monkeypatch.setattr(products, "by_onednn", counted)
    return seen


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(600, 256), (3, 200, 256)])
def test_equal_to_torch(bias: bool, shape: tuple[int, ...], calls: list[tuple[int, ...]]) -> None:
    layer, inputs = torch.nn.Linear(256, 384, bias=bias), torch.randn(*shape)
    strided = torch.randn(*shape[:-1], 512)[..., ::2]
    with torch.inference_mode():
        plain, plain_strided = layer(inputs), layer(strided)
        with quick_products("cpu"):
            found, found_strided = layer(inputs), layer(strided)
        assert calls == [shape, shape]
        assert torch.allclose(found, plain, atol=1e-5)
        assert torch.allclose(found_strided, plain_strided, atol=1e-5)
        layer(inputs)
    assert len(calls) == 2, "outside all is as it was"


def test_gradients_small_products_and_other_numbers_stay(calls: list[tuple[int, ...]]) -> None:
    layer, inputs = torch.nn.Linear(256, 384), torch.randn(600, 256)
    with quick_products("cpu"):
        layer(inputs).sum().backward()
        with torch.no_grad():
            layer(inputs[: LEAST_STATES - 1])
            torch.nn.Linear(256, 2)(inputs)
            layer.double()(inputs.double())
            with torch.autocast("cpu", dtype=torch.bfloat16):
                linear(inputs.bfloat16(), layer.weight.bfloat16())
    assert layer.weight.grad is not None and not calls


def test_reading_in_bfloat16_or_elsewhere_does_not_ask(calls: list[tuple[int, ...]]) -> None:
    layer, inputs = torch.nn.Linear(256, 384), torch.randn(600, 256)
    with torch.inference_mode():
        with reading_in("bfloat16", "cpu"):
            assert layer(inputs).dtype == torch.bfloat16
        with quick_products("cuda:0"):
            layer(inputs)
        assert not calls
        with reading_in("float32", "cpu"):
            layer(inputs)
    assert calls == [(600, 256)]


def test_measured_once_and_only_a_clear_win_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTUNE_CACHE", str(tmp_path))
    first = is_onednn_quicker()
    seconds = json.loads((tmp_path / "products.json").read_text())[NAME]
    assert min(seconds.values()) > 0 and first == (seconds["torch"] > 1.25 * seconds["onednn"])
    monkeypatch.setattr(products, "_timed", lambda: pytest.fail("it was measured before"))
    assert is_onednn_quicker() == first
    (tmp_path / "products.json").write_text(json.dumps({NAME: {"torch": 1.2, "onednn": 1.0}}))
    assert not is_onednn_quicker()
    (tmp_path / "products.json").write_text("{half")
    monkeypatch.setattr(products, "_timed", lambda: {"torch": 3.0, "onednn": 1.0})
    assert is_onednn_quicker()


def test_a_build_that_cannot_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: Any) -> torch.Tensor:
        raise NotImplementedError("not on this processor")

    monkeypatch.setenv("LIGHTUNE_CACHE", str(tmp_path))
    monkeypatch.setattr(products, "by_onednn", refusing)
    assert not is_onednn_quicker() and not is_onednn_quicker()


def test_a_vocabulary_is_not_copied_for_every_pass() -> None:
    assert pays(1024, torch.empty(1536, 384))
    assert not pays(1024, torch.empty(49152, 576))
