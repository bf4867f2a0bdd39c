"""The states that are kept while a network answers are those of the store, and of a plain pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lightune.backbones.base import HeadSpec, Tap
from lightune.backbones.transformer import Transformer
from lightune.core.tokens import Tokens
from lightune.engine import watch as engine_watch
from lightune.engine.watch import Watch, watched_depth, with_states
from lightune.evaluate.familiar import Region
from tests.making import TinyModel, sentences, train_tiny, write_csv

SPEC = HeadSpec("AutoModelForSequenceClassification", 2, "single_label_classification", ("a", "b"))
TEXTS = ["a b c d", "e", "f g h i j k l", "m n", "o p q"]


def opened(folder: str, head: str) -> tuple[Transformer, Tokens]:
    backbone = Transformer.load(folder, SPEC, head=head, identifier=folder, digest="")
    backbone.model.eval()
    encoded = backbone.tokenizer(TEXTS)
    types = encoded.get("token_type_ids") if backbone.takes_types else None
    return backbone, Tokens.from_lists(encoded["input_ids"], types, [2, 1, 2])  # two examples of two windows


@pytest.mark.parametrize("kind", ["bert", "albert", "deberta", "gpt2", "t5"])
def test_kept_states_are_the_stored_ones(kind: str, tiny: TinyModel) -> None:
    backbone, tokens = opened(str(tiny(kind)), "mean")
    batch = tokens.batch(np.arange(3), pad_id=backbone.pad_id)
    tap = Tap(watched_depth(backbone))
    with torch.no_grad():
        outputs, vectors = with_states(backbone, backbone.forward, batch)
        assert torch.equal(outputs, backbone.forward(batch))
        stopped, again = with_states(backbone, backbone.forward, batch, stops=True)
        states = backbone.below(batch, [tap])[tap]
    assert (stopped is None or kind == "albert") and torch.equal(again, vectors)
    mask = batch.attention_mask[..., None].float()
    means = (states * mask).sum(1) / mask.sum(1)
    wanted = torch.stack([means[:2].mean(0), means[2], means[3:].mean(0)])
    assert torch.allclose(vectors, wanted / wanted.norm(dim=1, keepdim=True), atol=1e-5)


@pytest.mark.parametrize("most", [1, 2, 100])
def test_watch_keeps_rows_and_distances_together(
    most: int, tiny: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_watch, "MOST_WAITING", most)
    backbone, tokens = opened(str(tiny("bert")), "standard")
    width = backbone.width
    region = Region(np.zeros(width), np.zeros((0, width)), np.zeros(0), 1.0, threshold=2.0)
    watch = Watch(region)
    forward = watch.around(backbone.forward, backbone, tokens)
    with torch.no_grad():
        for rows in ([2, 0], [1]):  # in another order than the examples
            forward(tokens.batch(np.array(rows), pad_id=backbone.pad_id))
        alone = [
            with_states(backbone, backbone.forward, tokens.batch(np.array([row]), pad_id=backbone.pad_id))[1]
            for row in range(3)
        ]
    wanted = [float((one**2).mean()) / 2 for one in alone]
    assert np.allclose(watch.distances(), wanted, rtol=1e-4)
    far = np.sqrt([[1.0], [6.0], [0.4]]) * np.ones(width)  # distances 0.5, 3, 0.2
    watch.waiting = [(np.array([2, 0]), far[[2, 0]]), (np.array([1]), far[[1]])]
    watch.count()
    watch.count()
    assert watch.summary() | {"share": 0} == {
        "rows": 6, "far": 2, "share": 0, "is_alarm": True, "first_rows": [1, 4],
    }  # fmt: skip


def test_means_read_for_the_head_are_the_states_looked_at(tiny: TinyModel, tmp_path: Path) -> None:
    """The region of a head's run is the same whether its means were stored or read again."""
    rows = [(f"{text} {place}", label) for place, (text, label) in enumerate(sentences(600))]
    data = write_csv(tmp_path / "data.csv", rows)
    model = tiny("bert", num_layers=6)
    regions = []
    for name, cache in (("stored", {"dtype": "float32"}), ("read", {"off": True})):
        groups = {"cache": cache, "train": {"epochs": 1}}
        output = str(tmp_path / name)
        train_tiny(tmp_path, model, data=str(data), method="head", output=output, groups=groups)
        regions.append(load_file(tmp_path / name / "familiar.safetensors"))
    stored, read = regions
    assert stored.keys() == read.keys()
    assert torch.allclose(stored["center"], read["center"], atol=1e-5)
    assert torch.allclose(stored["numbers"], read["numbers"], rtol=1e-3)
