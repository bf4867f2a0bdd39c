"""Which linear maps LoRA changes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lightune.methods.lora import Lora, LoraSettings
from tests.backbones.test_cut import load
from tests.making import TinyModel
from tests.tiny import CLASSIFIERS


def changed(folder: Any, modules: Any) -> set[str]:
    """Names of the maps that get an update."""
    backbone = load(folder)
    Lora(LoraSettings(modules=modules), "standard").apply(backbone)
    names = [name for name, _ in backbone.peft_model.named_parameters() if ".lora_A." in name]
    return {name.split(".lora_A.")[0].removeprefix("base_model.model.") for name in names}


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_what_lies_behind_the_attention(kind: str, tiny: TinyModel) -> None:
    found, every = changed(tiny(kind), "feed-forward"), changed(tiny(kind), "all")
    assert every == set(load(tiny(kind)).linear_paths(0))
    assert found and found < every
    assert not any(re.search("attn|attention", name, re.IGNORECASE) for name in found)
    assert all(re.search("attn|attention", name, re.IGNORECASE) for name in every - found)
