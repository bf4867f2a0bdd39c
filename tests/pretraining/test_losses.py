"""The losses are transformers' own, and padding changes nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightune.pretraining.causal import CausalNetwork, backward
from lightune.pretraining.masked import MaskedNetwork, hidden_places
from lightune.pretraining.masking import IGNORED, make_masking
from tests.pretraining.making import causal, learner, stream, vocabulary
from tests.tiny import tiny_config


def gradients(network: Any) -> dict[str, torch.Tensor]:
    return {name: one.grad.clone() for name, one in network.named_parameters() if one.grad is not None}


def masked_network() -> Any:
    from transformers import AutoModelForMaskedLM

    torch.manual_seed(0)
    return AutoModelForMaskedLM.from_config(tiny_config("bert", 2)).eval()


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_causal_loss_and_gradients_are_transformers_own(kind: str, tmp_path: Path) -> None:
    made = learner(tmp_path, kind)
    network: Any = made.network.eval()
    ours = made.descend(3)
    found = gradients(network)
    network.zero_grad()
    ids = torch.from_numpy(made.blocks.step(3, extra=1))
    theirs = network(input_ids=ids, labels=ids).loss
    theirs.backward()
    assert ours == pytest.approx(theirs.item(), abs=1e-5)
    wanted = gradients(network)
    assert found.keys() == wanted.keys()
    assert all(torch.allclose(found[name], wanted[name], atol=1e-5) for name in wanted)


def test_masked_loss_and_gradients_are_transformers_own(tmp_path: Path) -> None:
    words, network = vocabulary("bert"), masked_network()
    parts = MaskedNetwork(network, words.tokenizer.cls_token_id, words.end_id)
    ids = parts.around(np.stack([stream(tmp_path, "bert").take(20 * row, 20) for row in range(6)]))
    masking = make_masking(words, 0.3, whole_words=True)
    inputs, targets = masking.hide(ids, np.random.default_rng(0))
    assert (targets != IGNORED).sum() > 10
    hidden, wanted_ids = hidden_places(parts, inputs, targets)
    ours = backward(hidden, parts.output, wanted_ids)
    found = gradients(network)
    network.zero_grad()
    theirs = network(input_ids=torch.from_numpy(inputs), labels=torch.from_numpy(targets)).loss
    theirs.backward()
    assert ours == pytest.approx(theirs.item(), abs=1e-5)
    wanted = gradients(network)
    assert all(torch.allclose(found[name], wanted[name], atol=1e-5) for name in wanted)


def test_logits_in_pieces_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network = CausalNetwork(causal("gpt2").eval())
    ids = torch.arange(3, 24).reshape(1, -1)
    losses = []
    for at_once in (2**24, 5000):
        monkeypatch.setattr("lightune.pretraining.causal.LOGITS_AT_ONCE", at_once)
        network.network.zero_grad()
        losses.append(backward(network.body(ids[:, :-1])[0], network.output, ids[0, 1:]))
        losses.append(float(sum(one.square().sum() for one in gradients(network.network).values())))
    assert losses[:2] == pytest.approx(losses[2:], rel=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "lstm", "gru", "rnn"])
def test_padding_on_the_right_changes_no_state(kind: str) -> None:
    network = CausalNetwork(causal(kind).eval())
    ids = torch.randint(3, 60, (2, 12))
    other = ids.clone()
    other[:, 8:] = torch.randint(3, 60, (2, 4))
    with torch.no_grad():
        first, second = network.body(ids), network.body(other)
    assert torch.equal(first[:, :8], second[:, :8])
    assert not torch.allclose(first[:, 8:], second[:, 8:])


def test_masked_padding_is_not_seen() -> None:
    words, network = vocabulary("bert"), masked_network()
    parts = MaskedNetwork(network, words.tokenizer.cls_token_id, words.end_id)
    ids = torch.randint(5, 60, (2, 12))
    other = ids.clone()
    other[:, 8:] = torch.randint(5, 60, (2, 4))
    mask = torch.ones_like(ids)
    mask[:, 8:] = 0
    with torch.no_grad():
        masked, masked_too = (parts.body(one, mask)[:, :8] for one in (ids, other))
        seen, seen_too = (parts.body(one)[:, :8] for one in (ids, other))
    assert torch.allclose(masked, masked_too, atol=1e-6)
    assert not torch.allclose(seen, seen_too, atol=1e-3), (
        "without the mask they would be seen: the test can fail"
    )
