"""Bottleneck adapters go where the parts of a layer write, on every architecture, as the papers say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lightune.backbones.base import HeadSpec, Tap
from lightune.backbones.encode import Limits, encode
from lightune.backbones.sublayers import find_sublayers
from lightune.backbones.transformer import Transformer
from lightune.core.errors import UserError
from lightune.core.tokens import Batch
from lightune.methods.adapter import Adapter, AdapterSettings
from lightune.methods.loreft import Loreft, LoreftSettings
from tests.making import TinyModel
from tests.tiny import CLASSIFIERS, ENCODER_DECODERS, KINDS

TEXTS = [("the movie was great",), ("bad",), ("a very long and boring story about a town and a train",)]
SPEC = HeadSpec("AutoModelForSequenceClassification", 3, "single_label_classification", ("a", "b", "c"))
ADAPTERS = ("pfeiffer", "houlsby", "parallel")
METHODS = [*ADAPTERS, "loreft"]


def load(folder: Path, head: str = "standard") -> Transformer:
    torch.manual_seed(0)
    backbone = Transformer.load(str(folder), SPEC, head=head, identifier=str(folder), digest="0")
    backbone.model.eval()
    return backbone


def batch_of(backbone: Transformer) -> Batch:
    tokens = encode(backbone.tokenizer, TEXTS, Limits(64, "truncate", 1)).tokens
    return tokens.batch(np.arange(len(TEXTS)), pad_id=backbone.pad_id)


def make(name: str, **settings) -> Adapter | Loreft:
    if name == "loreft":
        return Loreft(LoreftSettings(**settings), "standard")
    return Adapter(AdapterSettings(kind=name, **settings), "standard")


def shake(backbone: Transformer) -> None:
    """Give all that was put in weights that change the logits."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in backbone.model.get_submodule("inserted").parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_every_layer_are_found(kind: str, tiny: TinyModel) -> None:
    backbone = load(tiny(kind, num_layers=2), "standard" if kind in CLASSIFIERS else "mean")
    found = find_sublayers(backbone.model, backbone.layers_above(0), backbone.probe())
    of_layer = {path: [one for one in found if one.layer == path] for path in backbone.layers_above(0)}
    ours = [of_layer[path] for path in backbone.layer_paths()]
    assert all([one.role for one in parts] == ["attention", "feed_forward"] for parts in ours)
    if kind in ENCODER_DECODERS and kind in CLASSIFIERS:
        decoder = [parts for path, parts in of_layer.items() if path not in backbone.layer_paths()]
        assert decoder
        assert all([one.role for one in parts] == ["attention", "cross", "feed_forward"] for parts in decoder)


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("name", METHODS)
def test_starts_from_the_untouched_network_and_leaves_it(name: str, kind: str, tiny: TinyModel) -> None:
    backbone = load(tiny(kind, num_layers=2))
    backbone.first_from = ""  # a hook in the top layer makes it run whole: so it does before
    batch = batch_of(backbone)
    with torch.no_grad():
        before = backbone.forward(batch)
        method = make(name)
        method.apply(backbone)
        assert torch.allclose(method.forward(backbone, batch), before, atol=1e-6)
        shake(backbone)
        assert not torch.allclose(method.forward(backbone, batch), before, atol=1e-2)
        assert torch.equal(backbone.plain_forward(batch), before)
    heads = tuple(f"{head}." for head in ["inserted", *backbone.head_modules()])
    trains = {name for name, one in backbone.model.named_parameters() if one.requires_grad}
    assert {one for one in trains if not one.startswith(heads)} == set()


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("name", METHODS)
def test_parts_equal_whole_above_a_cut(name: str, kind: str, tiny: TinyModel) -> None:
    backbone = load(tiny(kind, num_layers=2))
    if backbone.structure.is_shared:
        pytest.skip("one shared layer: there is nothing below it")
    batch, method, tap = batch_of(backbone), make(name, layers=1), Tap(1)
    method.apply(backbone)
    shake(backbone)
    with torch.no_grad():
        whole = method.forward(backbone, batch)
        parts = method.logits(backbone, backbone.below(batch, [tap]), batch)
    assert torch.allclose(parts, whole, atol=1e-5, rtol=0)


def by_hand(name: str, layer: nn.Module, bottlenecks: list[nn.Module], states: torch.Tensor) -> torch.Tensor:
    """BERT's layer with its bottlenecks, from the papers' formulas, for (B, T, H) without padding."""
    attended = layer.attention.self(states)[0]
    branch = layer.attention.output.dense(attended)
    if name == "houlsby":
        branch = branch + bottlenecks[0](branch)
    states = layer.attention.output.LayerNorm(states + branch)
    branch = layer.output.dense(layer.intermediate(states))
    norm = layer.output.LayerNorm
    if name == "houlsby":
        branch = branch + bottlenecks[1](branch)
    elif name == "pfeiffer":
        branch = branch + bottlenecks[0](norm(states + branch))
    else:
        branch = branch + bottlenecks[0](states)
    return norm(states + branch)


@pytest.mark.parametrize("name", ADAPTERS)
def test_is_the_papers_formula(name: str, tiny: TinyModel) -> None:
    backbone = load(tiny("bert", num_layers=2))
    make(name, layers=1, scale=2.0).apply(backbone)
    shake(backbone)
    states = torch.randn(2, 5, backbone.width)
    layer = backbone.layers()[1]
    with torch.no_grad():
        wanted = by_hand(name, layer, list(backbone.model.inserted), states)
        found = layer(states)
        found = found[0] if isinstance(found, tuple) else found
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["pfeiffer", "loreft"])
def test_no_layer_is_refused(name: str, tiny: TinyModel) -> None:
    with pytest.raises(UserError, match="no layer to change") as caught:
        make(name, layers=0).apply(load(tiny("bert", num_layers=2)))
    assert "--method head" in str(caught.value.hint)


def test_is_written_for_the_adapters_library_too(tiny: TinyModel, tmp_path: Path) -> None:
    """Names and shapes as that library's; tests/parity runs it on such a folder."""
    from safetensors.torch import load_file

    backbone = load(tiny("bert", num_layers=2))
    method = make("pfeiffer", layers=1, width=5)
    method.apply(backbone)
    shake(backbone)
    method.save(backbone, tmp_path)
    tensors = load_file(tmp_path / "adapters" / "adapter.safetensors")
    prefix = "bert.encoder.layer.1.output.adapters.lightune"
    assert set(tensors) == {
        f"{prefix}.{part}.{one}" for part in ("adapter_down.0", "adapter_up") for one in ("weight", "bias")
    }
    down = backbone.model.get_parameter("inserted.0.down.weight")
    assert torch.equal(tensors[f"{prefix}.adapter_down.0.weight"], down)
    config = json.loads((tmp_path / "adapters" / "adapter_config.json").read_text())
    assert int(32 // config["config"]["reduction_factor"]) == 5
    assert config["config"]["leave_out"] == [0]
    assert "load_adapter" in method.loading_code(backbone)
    assert set(load_file(tmp_path / "adapters" / "head.safetensors")) == {
        f"{head}.{one}" for head in ("classifier", "bert.pooler.dense") for one in ("weight", "bias")
    }
    other = load(tiny("modernbert", num_layers=2))
    made = make("pfeiffer")
    made.apply(other)
    (tmp_path / "other").mkdir()
    made.save(other, tmp_path / "other")
    assert [file.name for file in (tmp_path / "other").iterdir()] == ["trained.safetensors"]
