"""The two parts of a network together equal the whole, at every depth, for every architecture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightune.backbones.base import HeadSpec, Tap
from lightune.backbones.encode import Limits, encode
from lightune.backbones.transformer import Transformer
from lightune.core.tokens import Batch
from tests.making import TinyModel
from tests.tiny import CLASSIFIERS, ENCODER_DECODERS, KINDS

TEXTS = [("the movie was great",), ("bad",), ("a very long and boring story about a town and a train",)]
SPEC = HeadSpec("AutoModelForSequenceClassification", 3, "single_label_classification", ("a", "b", "c"))


def load(folder: object, head: str = "standard") -> Transformer:
    torch.manual_seed(0)
    return Transformer.load(str(folder), SPEC, head=head, identifier="tiny", digest="0")


def batch_of(backbone: Transformer) -> Batch:
    tokens = encode(backbone.tokenizer, TEXTS, Limits(64, "truncate", 1)).tokens
    return tokens.batch(np.arange(len(TEXTS)), pad_id=backbone.pad_id)


def possible_depths(backbone: Transformer) -> list[int]:
    return [backbone.depth] if backbone.structure.is_shared else list(range(backbone.depth + 1))


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_parts_equal_whole(kind: str, tiny: TinyModel) -> None:
    backbone = load(tiny(kind))
    backbone.model.eval()
    batch = batch_of(backbone)
    with torch.no_grad():
        whole = backbone.forward(batch)
        for depth in possible_depths(backbone):
            tap = Tap(depth)
            parts = backbone.above(backbone.below(batch, [tap])[tap], batch, tap)
            assert torch.allclose(parts, whole, atol=1e-5, rtol=0), f"{kind} cut at {depth}"
        assert torch.equal(backbone.forward(batch), whole), "the network is as it was after the cuts"
    assert whole.std() > 1e-3, "different texts must give different logits, or this proves nothing"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("head", ["mean", "attention", "last"])
def test_parts_equal_whole_under_our_head(kind: str, head: str, tiny: TinyModel) -> None:
    backbone = load(tiny(kind), head)
    backbone.model.eval()
    batch = batch_of(backbone)
    with torch.no_grad():
        whole = backbone.forward(batch)
        taps = [Tap(depth) for depth in possible_depths(backbone)]
        if head != "attention":
            taps.append(Tap(backbone.depth, head))  # type: ignore[arg-type]
        for tap in taps:
            parts = backbone.above(backbone.below(batch, [tap])[tap], batch, tap)
            assert torch.allclose(parts, whole, atol=1e-5, rtol=0), f"{kind} at {tap}"


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_verified_cut_finds_every_depth(kind: str, tiny: TinyModel) -> None:
    backbone = load(tiny(kind))
    for depth in possible_depths(backbone):
        assert backbone.verified_cut(depth) == depth


def test_verified_cut_steps_down_when_the_parts_differ(tiny: TinyModel) -> None:
    """A network whose third layer reaches back to the first cannot be cut between them: it is noticed."""
    backbone = load(tiny("bert"))
    first, _, third, _ = backbone.layers()
    kept: list[torch.Tensor] = []
    first.register_forward_hook(lambda module, args, output: kept.append(output))
    third.register_forward_pre_hook(lambda module, args: (args[0] + kept[-1], *args[1:]))
    assert backbone.verified_cut(1) == 0
    assert backbone.verified_cut(2) == 2


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_only_what_lies_above_trains(kind: str, tiny: TinyModel) -> None:
    backbone = load(tiny(kind))
    cut = backbone.depth if backbone.structure.is_shared else 2
    backbone.freeze_below(cut)
    named = dict(backbone.model.named_parameters())
    trained = {name for name, one in named.items() if one.requires_grad}
    assert not any(
        name.startswith(tuple(f"{path}." for path in backbone.layer_paths()[:cut])) for name in trained
    )
    embedding = backbone.base.get_input_embeddings().weight  # type: ignore[operator]
    assert not embedding.requires_grad
    for path in backbone.layer_paths()[cut:]:
        assert any(name.startswith(path + ".") for name in trained)
    for head in backbone.head_modules():
        assert any(name.startswith(head + ".") for name in trained)


@pytest.mark.parametrize("kind", ["bert", "gpt2", *ENCODER_DECODERS[:1]])
def test_several_taps_in_one_pass(kind: str, tiny: TinyModel) -> None:
    backbone = load(tiny(kind))
    batch = batch_of(backbone)
    taps = [Tap(1), Tap(3), Tap(backbone.depth)]
    together = backbone.below(batch, taps)
    for tap in taps:
        assert torch.equal(together[tap], backbone.below(batch, [tap])[tap])


def test_padding_does_not_change_the_logits(tiny: TinyModel) -> None:
    for kind in ("bert", "gpt2", "t5"):
        backbone = load(tiny(kind))
        backbone.model.eval()
        tokens = encode(backbone.tokenizer, TEXTS, Limits(64, "truncate", 1)).tokens
        with torch.no_grad():
            together = backbone.forward(tokens.batch(np.arange(3), pad_id=backbone.pad_id))
            alone = [backbone.forward(tokens.batch(np.array([i]), pad_id=backbone.pad_id)) for i in range(3)]
        assert torch.allclose(together, torch.cat(alone), atol=1e-5)
