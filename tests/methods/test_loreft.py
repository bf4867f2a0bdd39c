"""LoReFT equals the paper's formula at the tokens that are asked for; its rotation stays orthonormal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import lightune
from lightune.backbones.encode import Limits
from lightune.methods._intervention import Intervention, token_ends
from tests.making import TinyModel, train_tiny
from tests.methods.test_adapter import batch_of, load, make, shake

MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1]])


def test_is_the_papers_formula() -> None:
    torch.manual_seed(0)
    change = Intervention(8, 3, 0.0)
    hidden = torch.randn(2, 5, 8)
    with torch.no_grad():
        assert change(hidden).abs().max() < 1e-6  # W is R at the start
        for parameter in change.parameters():
            parameter.add_(torch.randn_like(parameter))
        rotation, source, bias = change.rotation.weight, change.source.weight, change.source.bias
        assert torch.allclose(rotation @ rotation.T, torch.eye(3), atol=1e-5)
        wanted = torch.stack(
            [rotation.T @ (source @ one + bias - rotation @ one) for one in hidden.flatten(0, 1)]
        )
        assert torch.allclose(change(hidden).flatten(0, 1), wanted, atol=1e-5)


def test_weight_decay_leaves_the_rotation_alone() -> None:
    """torch's own orthogonal parametrisation becomes 0 here."""
    change = Intervention(8, 3, 0.0)
    before = change.rotation.weight.detach().clone()
    with torch.no_grad():
        for parameter in change.rotation.parameters():
            parameter.mul_(0.999)
    assert torch.allclose(change.rotation.weight, before, atol=1e-5)


def test_first_and_last_tokens() -> None:
    found = token_ends(MASK, None, 1, 2)
    assert found.int().tolist() == [[1, 0, 0, 0, 1, 1], [1, 1, 1, 0, 0, 0], [0, 0, 1, 0, 1, 1]]
    prompts = torch.tensor([3, 2, 4])
    found = token_ends(MASK, prompts, 0, 1)
    assert found.int().tolist() == [[0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]]


def test_changes_those_tokens_alone(tiny: TinyModel) -> None:
    backbone = load(tiny("gpt2", num_layers=2))
    batch = batch_of(backbone)
    method = make("loreft", layers=1, first=1, last=0)
    method.apply(backbone)
    shake(backbone)
    outputs: list[torch.Tensor] = []
    backbone.layers()[1].register_forward_hook(lambda module, given, output: outputs.append(output))
    with torch.no_grad():
        method.forward(backbone, batch)
        backbone.plain_forward(batch)
    is_other = ((outputs[0] - outputs[1]).abs().amax(-1) > 1e-4).int()
    assert is_other[:, 0].all()
    assert is_other[:, 1:].sum() == 0


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_writes_as_it_was_trained(kind: str, tiny: TinyModel, tmp_path: Path) -> None:
    """Greedy writing, step by step, has the logits of one pass over prompt and reply."""
    from tests.contract.test_writing import chats

    groups = {"train": {"epochs": 3}, "method": {"last": 3}}
    model = tiny(kind, num_layers=2)
    train_tiny(tmp_path, model, data=chats(tmp_path, "pairs", 12), method="loreft", groups=groups)
    run = lightune.load(tmp_path / "run")
    shake(run.backbone)
    tokenizer, network = run.backbone.tokenizer, run.backbone.model.eval()
    inserted = network.get_submodule("inserted")
    prompt = tokenizer("what is the colour of 1", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        written = network.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=4,
            do_sample=False,
            pad_token_id=run.backbone.pad_id,
            use_cache=True,
            output_logits=True,
            return_dict_in_generate=True,
        )
        inserted.prompts = torch.tensor([prompt.shape[1]])
        whole = network(input_ids=written.sequences, attention_mask=torch.ones_like(written.sequences)).logits
    step_by_step = torch.stack(written.logits, dim=1)
    assert torch.allclose(whole[:, prompt.shape[1] - 1 : -1], step_by_step, atol=1e-4)


def test_an_encoder_counts_its_own_tokens(tiny: TinyModel) -> None:
    """Where a decoder writes, the last tokens are those of the source, as they are when it writes alone."""
    from tests.parity.test_encoder_decoders import opened

    backbone, task, examples = opened(tiny("t5", num_layers=2))
    limits = Limits(64, "truncate", 1, start_id=backbone.start_id)
    tokens = task.encode(backbone.tokenizer, examples, limits).tokens
    batch = tokens.batch(np.arange(2), pad_id=backbone.pad_id)
    method = make("loreft", layers=1, first=0, last=1)
    method.apply(backbone)
    shake(backbone)
    outputs: list[torch.Tensor] = []
    backbone.layers()[1].register_forward_hook(lambda module, given, output: outputs.append(output[0]))
    with torch.no_grad():
        method.forward(backbone, batch)
        backbone.plain_forward(batch)
    is_other = (outputs[0] - outputs[1]).abs().amax(-1) > 1e-4
    assert batch.token_type_ids is not None
    lengths = (batch.attention_mask * (1 - batch.token_type_ids)).sum(1)
    assert [row.nonzero().flatten().tolist() for row in is_other] == [[n - 1] for n in lengths.tolist()]
