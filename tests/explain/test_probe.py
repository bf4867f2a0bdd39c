"""A probe gives the network's own answer, for every method, and a gradient through all of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightune import methods
from lightune.backbones.base import HeadSpec
from lightune.backbones.transformer import Transformer
from lightune.core import plugins
from lightune.core.tokens import Tokens
from lightune.explain.influence import Answers, errors_of, influence, joined, last_layer
from lightune.explain.probe import log_odds, one_sequence, open_probe, recording
from lightune.explain.rollout import attentions_of, rollout
from lightune.methods.base import Method
from tests.making import TinyModel

SPEC = HeadSpec("AutoModelForSequenceClassification", 3, "single_label_classification", ("a", "b", "c"))
METHODS = ["head", "side", "lora", "full", "bitfit", "adapter", "loreft"]


def opened(folder: str, name: str) -> tuple[Transformer, Method, Tokens]:
    kind = plugins.load(methods, name, Method)  # type: ignore[type-abstract]
    torch.manual_seed(0)
    backbone = Transformer.load(folder, SPEC, head=kind.head, identifier=folder, digest="")
    method = kind(kind.Settings(), kind.head)
    method.apply(backbone)
    for name_of, one in backbone.model.named_parameters():
        if one.requires_grad and ("side" in name_of or "lora" in name_of or one.abs().sum() == 0):
            torch.nn.init.normal_(one, std=0.1)  # a new adapter changes nothing: as if trained
    backbone.model.eval()
    encoded = backbone.tokenizer(["the film was good", "a story"])
    types = encoded.get("token_type_ids") if backbone.takes_types else None
    return backbone, method, Tokens.from_lists(encoded["input_ids"], types, [1, 1])


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
@pytest.mark.parametrize("name", METHODS)
def test_probe_is_the_answer(name: str, kind: str, tiny: TinyModel) -> None:
    if (name, kind) == ("bitfit", "t5"):
        pytest.skip("a T5 has no bias")
    backbone, method, tokens = opened(str(tiny(kind)), name)
    batch = tokens.batch(np.array([0]), pad_id=backbone.pad_id)
    with torch.no_grad():
        wanted = log_odds(method.forward(backbone, batch), 1)
    text = one_sequence(tokens)
    is_word = np.isin(text.ids, backbone.tokenizer.all_special_ids, invert=True)
    requiring = [one.requires_grad for one in backbone.model.parameters()]
    with recording(backbone):
        probe = open_probe(backbone, method, text, is_word, lambda found, _: log_odds(found, 1))
        assert probe.lead == 0 and len(probe.states) == len(text.ids)
        assert torch.allclose(probe.score(probe.states[None]), wanted, atol=1e-5)
        assert torch.allclose(probe.states[~is_word], probe.empty[~is_word])
        states = torch.stack([probe.states, probe.empty]).requires_grad_()
        both = probe.score(states)
        (slope,) = torch.autograd.grad(both.sum(), states)
    assert abs(float((both[0] - both[1]).detach())) > 1e-6
    assert (slope[0].abs().sum(-1) > 0).all()
    step = torch.zeros_like(states)
    step[0, 1, 0] = 1e-2
    with torch.no_grad():
        moved = probe.score(states + step)[0] - probe.score(states - step)[0]
    assert float(moved) == pytest.approx(2e-2 * float(slope[0, 1, 0]), rel=0.05, abs=1e-4)
    assert [one.requires_grad for one in backbone.model.parameters()] == requiring


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_attentions_are_shares(kind: str, tiny: TinyModel) -> None:
    backbone, method, tokens = opened(str(tiny(kind)), "head")
    batch = tokens.batch(np.array([0]), pad_id=backbone.pad_id)
    with torch.no_grad():
        before = method.forward(backbone, batch)
    found = attentions_of(backbone, batch)
    assert found is not None and len(found) == backbone.depth
    assert np.allclose(rollout(found).sum(axis=1), 1)
    with torch.no_grad():
        assert torch.equal(method.forward(backbone, batch), before)  # the fast kernel is back


@pytest.mark.parametrize("name", ["head", "side", "lora"])
def test_influence_is_what_a_step_does(name: str, tiny: TinyModel) -> None:
    """One small step of the last layer on an example lowers the answer's loss by rate * influence."""
    backbone, method, tokens = opened(str(tiny("bert")), name)
    gold, said = np.array([2]), np.array([1])
    parts = []
    for row in (0, 1):
        batch = tokens.batch(np.array([row]), pad_id=backbone.pad_id)
        with torch.no_grad(), last_layer(backbone.model, 3) as kept:
            logits = method.forward(backbone, batch)
        parts.append((joined(kept, batch).numpy(), logits.numpy(), batch))
    known = Answers(parts[0][0], errors_of("classes", parts[0][1], gold))
    text = Answers(parts[1][0], errors_of("classes", parts[1][1], said))
    linear = [one for one in backbone.model.modules() if isinstance(one, torch.nn.Linear)]
    layers = [one for one in linear if one.out_features == 3]
    weights = [one for layer in layers for one in layer.parameters()]
    for one in backbone.model.parameters():
        one.requires_grad_(any(one is weight for weight in weights))
    entropy = torch.nn.functional.cross_entropy
    loss = entropy(method.forward(backbone, parts[0][2]), torch.from_numpy(gold))
    slopes = torch.autograd.grad(loss, weights, allow_unused=True)  # peft keeps the head as it was, too
    before = entropy(method.forward(backbone, parts[1][2]), torch.from_numpy(said)).item()
    with torch.no_grad():
        for one, slope in zip(weights, slopes, strict=True):
            if slope is not None:
                one.sub_(1e-3 * slope)
    after = entropy(method.forward(backbone, parts[1][2]), torch.from_numpy(said)).item()
    pairs = zip(weights, slopes, strict=True)
    biases = sum(one.dim() == 1 and slope is not None for one, slope in pairs)  # each adds a product of 1
    wanted = influence(known, text)[0] + (biases - 1) * float(known.errors[0] @ text.errors[0])
    assert (before - after) / 1e-3 == pytest.approx(wanted, rel=0.05, abs=1e-3)
