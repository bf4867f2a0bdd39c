"""A head on several layers: what it computes, the same with and without the store, saved and opened."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import lightune
from lightune.backbones.heads import PooledHead
from lightune.core.errors import UserError
from tests.contract.test_round_trip import train_and_look
from tests.making import TinyModel, sentences, task_rows, write_csv

TEXTS = [(text,) for text, _ in sentences(5, seed=5)]


def test_reads_standardised_states_side_by_side() -> None:
    head, states = PooledHead(4, 2, "mean").eval(), [torch.randn(9, 4) for _ in range(3)]
    head.widen([2, 4, 6])
    side_by_side = torch.cat(states, dim=-1)
    head.fit_scale(side_by_side)
    parts = [(one - one.mean(0)) / one.std(0) for one in states]
    weights = head.output.weight.split(4, dim=1)
    wanted = sum(part @ weight.T for part, weight in zip(parts, weights, strict=True)) + head.output.bias
    assert torch.allclose(head(side_by_side), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "task", "head", "depths"),
    [
        ("bert", "classify", "mean", None),
        ("gpt2", "classify", "last", 4),
        ("modernbert", "classify", "mean", None),
        ("t5", "classify", "mean", 2),
    ],
)
def test_cached_equals_uncached_and_comes_back(
    kind: str, task: str, head: str, depths: int | None, tiny: TinyModel, tmp_path: Path
) -> None:
    rows, header, _ = task_rows(task, 48)
    data = write_csv(tmp_path / "data.csv", rows, header)
    found = []
    for name, cache in (("stored", {"dtype": "float32"}), ("plain", {"off": "true"})):
        groups = {"method": {"depths": depths} if depths else {}, "cache": cache}
        asked = {"task": task, "text": ("text",), "label": "label", "data": data, "groups": groups}
        found.append(train_and_look(tmp_path / name, tiny(kind), TEXTS, method="head", head=head, **asked))
    stored, plain = (np.concatenate([np.ravel(one) for one in each.logits]) for each in found)
    assert np.abs(stored - plain).max() < 1e-5
    run = lightune.load(found[0].folder)
    wanted = (depths or 3) * run.backbone.width
    assert run.backbone.model.head.output.in_features == wanted
    again = run.logits(TEXTS)
    assert np.abs(np.concatenate([np.ravel(one) for one in again]) - stored).max() < 1e-6


@pytest.mark.parametrize(
    ("kind", "head", "depths", "message"),
    [
        ("bert", "standard", 2, "needs a head"),
        ("bert", "attention", 2, "needs a head"),
        ("albert", "mean", 2, "runs one layer many times"),
        ("bert", "mean", 9, "has 4 layers"),
    ],
)
def test_what_cannot_be_read_is_refused(
    kind: str, head: str, depths: int, message: str, tiny: TinyModel, tmp_path: Path
) -> None:
    groups = {"method": {"depths": depths}}
    with pytest.raises(UserError, match=message):
        train_and_look(tmp_path, tiny(kind), TEXTS, method="head", head=head, groups=groups)


@pytest.mark.parametrize(("method", "rows"), [("lora", "pair"), ("prefix", "pair"), ("prompt", "classify")])
def test_the_pooled_head_on_an_adapter_of_peft_reads_them_too(
    method: str, rows: str, tiny: TinyModel, tmp_path: Path
) -> None:
    """What plain peft computes with the adapter, pooled and under the saved head, is what comes out here."""
    from peft import AutoPeftModelForFeatureExtraction
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    from lightune.backbones.heads import reduce_tokens

    made, header, _ = task_rows(rows, 24)
    texts = [one[:-1] for one in made[:5]]
    data = write_csv(tmp_path / "data.csv", made, header)
    model = tiny("bert", num_layers=6)
    groups = {"train": {"epochs": 2}, "cache": {"off": True}}
    one = train_and_look(
        tmp_path, model, texts, data=str(data), task=rows, method=method, head="mean", groups=groups
    )
    run = lightune.load(one.folder)
    assert np.abs(run.logits(texts) - one.logits).max() < 1e-5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = AutoPeftModelForFeatureExtraction.from_pretrained(str(one.folder)).eval()
    inputs = AutoTokenizer.from_pretrained(one.folder)(
        [list(text) for text in texts] if rows == "pair" else [text for (text,) in texts],
        padding=True,
        return_tensors="pt",
    )
    head = load_file(one.folder / "head.safetensors")
    if method != "lora":
        inputs.pop("token_type_ids")
    mask = inputs["attention_mask"]
    with torch.no_grad():
        states = plain(**inputs, output_hidden_states=True).hidden_states
    pooled = torch.cat(
        [reduce_tokens(states[depth][:, -mask.shape[1] :], mask, "mean") for depth in (2, 4, 6)], dim=-1
    )
    found = (pooled - head["center"]) / head["scale"] @ head["output.weight"].T + head["output.bias"]
    assert np.abs(found.numpy() - one.logits).max() < 1e-5
