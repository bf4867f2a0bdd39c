"""The top layer goes on with the first token alone where that changes nothing."""

from __future__ import annotations

import pytest
import torch

from lightune.backbones.cut import keeping
from lightune.backbones.transformer import Transformer
from tests.backbones.test_cut import batch_of, load
from tests.making import TinyModel
from tests.tiny import CLASSIFIERS

NARROWED = ("bert", "roberta", "electra", "distilbert", "deberta", "modernbert")


def gradients(backbone: Transformer) -> dict[str, torch.Tensor]:
    backbone.model.zero_grad()
    backbone.forward(batch_of(backbone)).square().sum().backward()  # type: ignore[no-untyped-call]
    return {name: one.grad.clone() for name, one in backbone.model.named_parameters() if one.grad is not None}


def widths(backbone: Transformer) -> list[int]:
    """Tokens that the linear maps of the top layer are given in one pass, without a hook in the layer."""
    maps = {one for one in backbone.layers()[-1].modules() if isinstance(one, torch.nn.Linear)}
    found, own = [], torch.nn.Linear.forward

    def noted(module: torch.nn.Linear, given: torch.Tensor) -> torch.Tensor:
        if module in maps:
            found.append(given.shape[1])
        return own(module, given)

    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(torch.nn.Linear, "forward", noted)
        backbone.forward(batch_of(backbone))
    return found


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_logits_and_gradients_are_those_of_all_tokens(kind: str, tiny: TinyModel) -> None:
    backbone = load(tiny(kind))
    backbone.model.eval()
    with torch.no_grad():
        short = backbone.forward(batch_of(backbone))
    few = gradients(backbone)
    assert bool(backbone.first_from) == kind.startswith(NARROWED), backbone.first_from
    backbone.first_from = ""
    with torch.no_grad():
        whole = backbone.forward(batch_of(backbone))
    assert torch.allclose(short, whole, atol=1e-5, rtol=0)
    for name, one in gradients(backbone).items():
        assert torch.allclose(few[name], one, atol=1e-5, rtol=1e-4), name


def test_the_top_layer_computes_less(tiny: TinyModel) -> None:
    backbone = load(tiny("bert"))
    backbone.model.eval()
    tokens = batch_of(backbone).input_ids.shape[1]
    assert widths(backbone) == [tokens] * 3 + [1] * 3
    backbone.first_from = ""
    assert widths(backbone) == [tokens] * 6


@pytest.mark.parametrize("head", ["mean", "attention", "last"])
def test_heads_that_read_more_get_all(head: str, tiny: TinyModel) -> None:
    assert load(tiny("bert"), head).first_from == ""


def test_a_head_of_several_depths_gets_all(tiny: TinyModel) -> None:
    backbone = load(tiny("bert"), "first")
    assert backbone.first_from
    backbone.model.head.widen((1, 2))  # type: ignore[union-attr,operator]
    with torch.no_grad():
        assert backbone.forward(batch_of(backbone)).shape == (3, 3)


def test_who_looks_at_the_top_layer_sees_all(tiny: TinyModel) -> None:
    backbone = load(tiny("bert"))
    kept: dict[int, torch.Tensor] = {}
    batch = batch_of(backbone)
    with torch.no_grad(), keeping(backbone.model, backbone.structure, [backbone.depth], kept):
        backbone.forward(batch)
    assert kept[backbone.depth].shape[:2] == batch.input_ids.shape


def test_a_layer_that_runs_again_runs_as_it_did(tiny: TinyModel) -> None:
    backbone = load(tiny("bert"))
    backbone.model.eval()
    once = gradients(backbone)
    backbone.recompute(0)
    for layer in backbone.layers():
        assert not any(isinstance(one, torch.nn.Dropout) and one.training for one in layer.modules())
    twice = gradients(backbone)
    assert once.keys() == twice.keys()
    for name, one in once.items():
        assert torch.allclose(one, twice[name], atol=1e-6), name
