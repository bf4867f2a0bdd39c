"""Which linear maps LoRA changes."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from lightune.methods.lora import Lora, LoraSettings
from tests.backbones.test_cut import load
from tests.making import TinyModel
from tests.tiny import CLASSIFIERS, ENCODER_DECODERS


def changed(folder: Any, modules: Any) -> set[str]:
    """Names of the maps that get an update."""
    backbone = load(folder)
    Lora(LoraSettings(modules=modules), "standard").apply(backbone)
    names = [name for name, _ in backbone.peft_model.named_parameters() if ".lora_A." in name]
    return {name.split(".lora_A.")[0].removeprefix("base_model.model.") for name in names}


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_of_itself_what_lies_behind_the_attention(kind: str, tiny: TinyModel) -> None:
    found, every = changed(tiny(kind), "feed-forward"), changed(tiny(kind), "all")
    has_most = kind not in ENCODER_DECODERS  # of the tiny ones, whose decoders have two attentions a layer
    assert changed(tiny(kind), "auto") == (found if has_most else every)
    assert found < every
    assert found and not any(re.search("attn|attention", name, re.IGNORECASE) for name in found)
    assert all(re.search("attn|attention", name, re.IGNORECASE) for name in every - found)


def test_all_where_words_are_answered_or_texts_written(tiny: TinyModel) -> None:
    backbone = load(tiny("bert"))
    paths = backbone.linear_paths(0)
    assert len(Lora(LoraSettings(), "standard")._chosen(backbone, paths)) == 8
    for kind in ("is_per_token", "is_vector", "is_language_model"):
        backbone.spec = SimpleNamespace(  # type: ignore[assignment]
            **{"is_per_token": False, "is_vector": False, "is_language_model": False, kind: True}
        )
        assert Lora(LoraSettings(), "standard")._chosen(backbone, paths) == paths, kind


def test_all_where_most_weights_are_in_the_attention(tiny: TinyModel) -> None:
    """As where experts are no linear maps: a router is left, which is not worth an update alone."""
    backbone = load(tiny("bert"))
    for layer in backbone.layers():
        inner: Any = layer
        inner.intermediate.dense = nn.Linear(32, 2)
        inner.output.dense = nn.Linear(2, 32)
    paths = backbone.linear_paths(0)
    assert Lora(LoraSettings(), "standard")._chosen(backbone, paths) == paths
    assert len(Lora(LoraSettings(modules="feed-forward"), "standard")._chosen(backbone, paths)) == 8
