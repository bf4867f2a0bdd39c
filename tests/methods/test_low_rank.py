"""LoRA's layer in one operation: peft's values and gradients, and peft's own way wherever it is not plain."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import peft
import pytest
import torch
from peft.tuners.lora.layer import Linear
from torch import nn

from lightune.methods import _low_rank
from lightune.methods._low_rank import Summed, summed
from lightune.methods.lora import Lora, LoraSettings
from tests.making import TinyModel
from tests.parity.test_training import load, tokens_of

WIDTHS = 12, 20


class Net(nn.Module):
    """One linear map."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(*WIDTHS)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """states: (..., I) -> (..., O)."""
        return self.map(states)


def pair(rank: int = 3, **settings: Any) -> tuple[Any, Any]:
    """The same adapted map by peft's layer and by ours, with an update that is not zero."""
    torch.manual_seed(0)
    plain, own = Net(), Net()
    own.load_state_dict(plain.state_dict())
    config = peft.LoraConfig(r=rank, lora_alpha=5, target_modules=["map"], **settings)
    theirs = peft.get_peft_model(plain, deepcopy(config))
    ours = peft.get_peft_model(own, summed(config))
    with torch.no_grad():
        for one in theirs.parameters():
            if one.requires_grad:
                one.normal_(std=0.3)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def count(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each use of the one operation."""
    used: list[int] = []
    real = _low_rank._Sum.apply

    def noted(*given: Any) -> Any:
        used.append(1)
        return real(*given)

    monkeypatch.setattr(_low_rank._Sum, "apply", noted)
    return used


def step(model: Any, states: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The output, and the gradients of the input and of all that trains."""
    states = states.clone().requires_grad_()
    trained = [one for one in model.parameters() if one.requires_grad]
    found = model(states)
    slopes = torch.autograd.grad((found.float() ** 2).mean(), [states, *trained])
    return found, list(slopes)


@pytest.mark.parametrize("shape", [(7, 12), (2, 5, 12)])
@pytest.mark.parametrize("settings", [{}, {"rank": 1}, {"use_rslora": True}, {"lora_dropout": 0.0}])
def test_values_and_gradients_are_pefts(
    shape: tuple[int, ...], settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = pair(**settings)
    assert type(theirs.base_model.model.map) is Linear
    assert type(ours.base_model.model.map) is Summed
    used, states = count(monkeypatch), torch.randn(shape)
    before = {name: one.clone() for name, one in ours.state_dict().items()}
    wanted, found = step(theirs, states), step(ours, states)
    assert len(used) == 1
    assert all(torch.equal(one, before[name]) for name, one in ours.state_dict().items())
    assert torch.allclose(found[0], wanted[0], atol=1e-5)
    assert len(found[1]) == 3
    for one, other in zip(found[1], wanted[1], strict=True):
        assert torch.allclose(one, other, atol=1e-5, rtol=1e-5)


def test_gradients_are_differences() -> None:
    torch.manual_seed(0)
    inputs, down, up = (
        torch.randn(*shape, dtype=torch.float64).requires_grad_() for shape in ((2, 3, 4), (2, 4), (5, 2))
    )
    weight, bias = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda *some: _low_rank._Sum.apply(some[0], weight, bias, some[1], some[2], 1.7), (inputs, down, up)
    )


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_bfloat16_is_as_near_as_pefts(kind: torch.dtype) -> None:
    """Against float32: no further away than peft's layer under autocast, but for a rounding.

    States come in bfloat16 where nothing has added to them or normalised them since the map before.
    """
    theirs, ours = pair()
    states = torch.randn(6, 12).to(kind)
    exact = step(theirs, states.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded, found = step(theirs, states), step(ours, states)
    assert found[0].dtype == rounded[0].dtype == torch.bfloat16
    assert [one.dtype for one in found[1]] == [kind, torch.float32, torch.float32]
    for one, other, wanted in zip(found[1], rounded[1], exact[1], strict=True):
        assert one.dtype == other.dtype
        limit = (other - wanted).abs().max() + 0.02 * wanted.abs().max()
        assert (one - wanted).abs().max() <= limit


def hooked(model: Any) -> None:
    """Somebody listens to the lower map, as private training does."""
    model.base_model.model.map.lora_A["default"].register_forward_hook(lambda *_: None)


def disabled(model: Any) -> None:
    """Without the update."""
    model.base_model.disable_adapter_layers()


def merged(model: Any) -> None:
    """The update is in the weights."""
    model.merge_adapter()


def moving(model: Any) -> None:
    """The pre-trained weights train as well."""
    model.base_model.model.map.base_layer.weight.requires_grad_(True)


@pytest.mark.parametrize("change", [hooked, disabled, merged, moving])
def test_what_is_not_plain_is_pefts(change: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = pair()
    used, states = count(monkeypatch), torch.randn(4, 12)
    for model in (theirs, ours):
        change(model)
        model.base_model.model.map.base_layer.bias.requires_grad_(True)  # something to go back to
    wanted, found = theirs(states), ours(states)
    assert not used
    assert torch.allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("settings", [{"lora_dropout": 0.5}, {"use_dora": True}, {"lora_bias": True}])
def test_other_kinds_are_pefts(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = pair(**settings)
    used, states = count(monkeypatch), torch.randn(4, 12)
    torch.manual_seed(1)
    wanted = step(theirs.train(), states)
    torch.manual_seed(1)
    found = step(ours.train(), states)
    assert not used
    assert torch.allclose(found[0], wanted[0], atol=1e-6)


@pytest.mark.parametrize("kind", ["bert", "modernbert", "llama"])
def test_lora_trains_by_it(kind: str, tiny: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each linear map of a network that `Lora` adapts, once in a pass; none in a pass without gradients."""
    backbone = load(tiny(kind, num_layers=2))
    paths = backbone.linear_paths(0)
    Lora(LoraSettings(modules="all"), "standard").apply(backbone)
    batch = tokens_of(backbone, 4).batch(torch.arange(4).numpy(), pad_id=backbone.pad_id)
    used = count(monkeypatch)
    backbone.model.train()
    backbone.forward(batch)
    assert len(used) == len(paths) > 0
    with torch.no_grad():
        backbone.forward(batch)
    assert len(used) == len(paths)
