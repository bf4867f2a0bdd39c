"""Recurrent networks: the state carried over is the state of the whole, and transformers opens the folder."""

from pathlib import Path

import pytest
import torch

from lightune.backbones.recurrent import RecurrentForCausalLM
from tests.pretraining.making import causal


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_parts_with_the_state_equal_the_whole(kind: str) -> None:
    network = causal(kind).eval()
    ids = torch.randint(3, 60, (2, 20))
    states = network.model.first_states(2)
    with torch.no_grad():
        whole = network(ids).logits
        parts = [network(part, states=states).logits for part in ids.split(7, dim=1)]
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-6)


def test_softmax_is_tied_to_the_embeddings() -> None:
    network = causal("lstm")
    sizes = [one.shape for one in network.parameters()]
    assert sum(len(size) == 2 and size[0] == network.config.vocab_size for size in sizes) == 1


def test_folder_opens_again(tmp_path: Path) -> None:
    from transformers import AutoModel, AutoModelForCausalLM

    network = causal("lstm").eval()
    network.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert isinstance(again, RecurrentForCausalLM)
    ids = torch.randint(3, 60, (2, 9))
    with torch.no_grad():
        assert torch.equal(again.eval()(ids).logits, network(ids).logits)
        states = AutoModel.from_pretrained(tmp_path).eval()(ids).last_hidden_state
        assert torch.equal(states, network.model(ids).last_hidden_state)
