"""Bottleneck adapters in the file format of the `adapters` library (Poth et al. 2023, arXiv:2311.11077).

A folder with `adapter_config.json` and `adapter.safetensors`, as `model.load_adapter(...)` reads it. That
library has code of its own for every architecture, so the format holds its names, for those listed here; how
adapters are put in here knows no names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightune.backbones.sublayers import Sublayer
    from lightune.backbones.transformer import Transformer
    from lightune.methods.adapter import AdapterSettings

FOLDER = "adapters"
NAME = "lightune"
VERSION = "adapters.1.3.0"  # the version whose format this is
# Where the library keeps a bottleneck: in the module that holds the writer, or in the layer, by role.
INSIDE_PART = {"bert", "roberta", "xlm-roberta", "electra", "deberta", "deberta-v2", "t5"}
INSIDE_LAYER = {"gpt2", "llama", "mistral", "distilbert", "bart"}
ROLES = {"attention": "attention_adapters", "feed_forward": "output_adapters"}
ACTIVATIONS = {"pfeiffer": "relu", "houlsby": "swish", "parallel": "relu"}


def is_known(backbone: Transformer) -> bool:
    """Whether the library has a place for adapters in this network."""
    return _type(backbone) in INSIDE_PART | INSIDE_LAYER


def write(backbone: Transformer, settings: AdapterSettings, places: Sequence[Sublayer], folder: Path) -> None:
    """Write configuration and weights to `folder`, and the head beside them; nothing where it is unknown."""
    if not is_known(backbone):
        return
    from safetensors.torch import save_file

    from lightune.backbones.structure import find_base

    folder.mkdir(parents=True, exist_ok=True)
    modules: Any = backbone.model.get_submodule("inserted")
    tensors = {}
    for place, module in zip(places, modules, strict=True):
        prefix = _prefix(place, _type(backbone)).removeprefix("base.")
        for own, theirs in (("down", "adapter_down.0"), ("up", "adapter_up")):
            for name, tensor in module.get_submodule(own).named_parameters():
                tensors[f"{prefix}.{NAME}.{theirs}.{name}"] = tensor.detach().cpu().contiguous()
    save_file(tensors, folder / "adapter.safetensors")
    base: Any = backbone.base
    kept = {
        "config": _configuration(backbone, settings, modules[0]),
        "hidden_size": backbone.width,
        "model_class": type(base if find_base(backbone.model)[0] == "base" else backbone.model).__name__,
        "model_name": backbone.identifier,
        "model_type": _type(backbone),
        "name": NAME,
        "version": VERSION,
    }
    (folder / "adapter_config.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    heads = tuple(name + "." for name in backbone.head_modules())
    head = {
        name: one.cpu().clone() for name, one in backbone.model.state_dict().items() if name.startswith(heads)
    }
    if head and not any(name.startswith("head.") for name in head):
        save_file(head, folder / "head.safetensors")


def loading_code(backbone: Transformer) -> str:
    """Python lines for an environment with the `adapters` library."""
    spec = backbone.spec
    options = "" if spec.is_language_model else f", num_labels={spec.num_labels}"
    lines = [
        "# pip install adapters  (in an environment of its own: it needs transformers 4)",
        "import adapters",
        *(["from safetensors.torch import load_file"] if backbone.head_modules() else []),
        f"from transformers import {spec.auto_class}, AutoTokenizer",
        "",
        'folder = "."  # this folder',
        f"model = {spec.auto_class}.from_pretrained({backbone.identifier!r}{options})",
        "adapters.init(model)",
        f'model.load_adapter(folder + "/{FOLDER}", use_safetensors=True, set_active=True, with_head=False)',
    ]
    if backbone.head_modules():
        lines += [
            f'model.load_state_dict(load_file(folder + "/{FOLDER}/head.safetensors"), strict=False)',
        ]
    return "\n".join([*lines, "tokenizer = AutoTokenizer.from_pretrained(folder)"]) + "\n"


def _type(backbone: Transformer) -> str:
    base: Any = backbone.base
    return str(base.config.model_type)


def _prefix(place: Sublayer, model_type: str) -> str:
    if model_type in INSIDE_LAYER:
        return f"{place.layer}.{ROLES[place.role]}.adapters"
    return f"{place.writer.rsplit('.', 1)[0]}.adapters"


def _configuration(backbone: Transformer, settings: AdapterSettings, module: Any) -> dict[str, Any]:
    """The library's own words for this kind of adapter."""
    kind, inside = settings.kind, module.down.out_features
    # The library takes the floor of H over this.
    factor = backbone.width / inside if backbone.width % inside == 0 else backbone.width / (inside + 0.5)
    layers = backbone.depth if settings.layers is None else settings.layers
    return {
        "mh_adapter": kind == "houlsby",
        "output_adapter": True,
        "original_ln_before": kind == "pfeiffer",
        "original_ln_after": True,
        "residual_before_ln": True,
        "is_parallel": kind == "parallel",
        "non_linearity": ACTIVATIONS[kind],
        "reduction_factor": factor,
        "scaling": float(module.scale),
        "dropout": settings.dropout,
        "init_weights": "mam_adapter",
        "leave_out": list(range(backbone.depth - layers)),
    }
