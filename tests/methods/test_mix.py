"""A head on several layers: the paper's formula, the same with and without the store, saved and opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import lightune
from lightune.backbones.heads import ScalarMix
from lightune.core.errors import UserError
from tests.contract.test_round_trip import train_and_look
from tests.making import TinyModel, sentences, task_rows, write_csv

TEXTS = [(text,) for text, _ in sentences(5, seed=5)]


def test_is_the_papers_formula() -> None:
    mix, states = ScalarMix(3, 4), [torch.randn(2, 4) for _ in range(3)]
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([0.0, 1.0, 2.0]))
        mix.gamma.fill_(2.0)
    shares = np.exp([0.0, 1.0, 2.0]) / np.exp([0.0, 1.0, 2.0]).sum()
    wanted = 2 * sum(float(share) * one for share, one in zip(shares, states, strict=True))
    assert torch.allclose(mix(states), wanted, atol=1e-6)
    mix.fit_scale(torch.stack(states))
    assert torch.allclose(mix.scale[1], states[1].std(0), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "task", "head"),
    [("bert", "classify", "mean"), ("bert", "classify", "attention"), ("gpt2", "tag", "auto")],
)
def test_cached_equals_uncached_and_comes_back(
    kind: str, task: str, head: str, tiny: TinyModel, tmp_path: Path
) -> None:
    rows, header, _ = task_rows(task, 48)
    data = write_csv(tmp_path / "data.csv", rows, header)
    found = []
    for name, cache in (("stored", {"dtype": "float32"}), ("plain", {"off": "true"})):
        groups = {"method": {"mix": 3}, "cache": cache}
        asked = {"task": task, "text": ("text",), "label": "label", "data": data, "groups": groups}
        found.append(train_and_look(tmp_path / name, tiny(kind), TEXTS, method="head", head=head, **asked))
    stored, plain = (np.concatenate([np.ravel(one) for one in each.logits]) for each in found)
    assert np.abs(stored - plain).max() < 1e-5
    again = lightune.load(found[0].folder).logits(TEXTS)
    assert np.abs(np.concatenate([np.ravel(one) for one in again]) - stored).max() < 1e-6


@pytest.mark.parametrize(
    ("kind", "head", "mix", "message"),
    [
        ("bert", "standard", 2, "needs a head"),
        ("albert", "mean", 2, "runs one layer many times"),
        ("bert", "mean", 9, "has 4 layers"),
    ],
)
def test_what_cannot_be_mixed_is_refused(
    kind: str, head: str, mix: int, message: str, tiny: TinyModel, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        train_and_look(tmp_path, tiny(kind), TEXTS, method="head", head=head, groups={"method": {"mix": mix}})
