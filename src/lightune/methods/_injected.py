"""What all methods of peft's share: injected by peft, saved as a standard PEFT adapter folder."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightune.methods.base import Method

if TYPE_CHECKING:
    from lightune.backbones.transformer import Transformer

HEAD_FILE = "head.safetensors"


class Injected(Method):
    """A method that peft implements; `config` says which tuner and where."""

    opens_with = "peft"
    can_merge = True

    @abstractmethod
    def config(self, backbone: Transformer) -> Any:
        """Peft's configuration for this network."""

    def shared(self, backbone: Transformer, paths: list[str]) -> dict[str, Any]:
        """What peft's configurations share: the kind of network, where to inject, what else is saved."""
        is_headed = self.head != "standard"
        heads = [name.rsplit(".", 1)[-1] for name in backbone.head_modules()]
        return {
            "task_type": "FEATURE_EXTRACTION" if is_headed else backbone.spec.peft_type,
            "target_modules": [path.removeprefix("base.") for path in paths] if is_headed else paths,
            "modules_to_save": None if is_headed else heads,
        }

    def apply(self, backbone: Transformer) -> None:
        """Inject the adapter by peft; the head (and pooler) is trained and saved whole."""
        import peft

        config = self.config(backbone)
        self.inject(backbone, lambda model: peft.get_peft_model(model, config))
        if self.head != "standard":
            backbone.model.get_submodule("head").requires_grad_(True)

    def inject(self, backbone: Transformer, wrap: Any) -> None:
        """Wrap the network (or the base under lightune's own head) by peft, in place."""
        target = backbone.model.base if self.head != "standard" else backbone.model
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            backbone.peft_model = wrap(target)
        if not backbone.peft_model.active_peft_config.is_prompt_learning:
            backbone.bypass = backbone.peft_model.disable_adapter
        backbone.can_merge = self.can_merge

    def save(self, backbone: Transformer, folder: Path) -> None:
        """A standard PEFT adapter folder, and the head beside it where it is lightune's own."""
        wrapped: Any = backbone.peft_model
        wrapped.peft_config["default"].base_model_name_or_path = backbone.identifier
        wrapped.save_pretrained(folder, save_embedding_layers=False)
        if self.head != "standard":
            from safetensors.torch import save_file

            save_file(backbone.model.get_submodule("head").state_dict(), folder / HEAD_FILE)

    def load(self, backbone: Transformer, folder: Path) -> None:
        """The adapter folder, through peft."""
        import peft

        self.inject(backbone, lambda model: peft.PeftModel.from_pretrained(model, str(folder)))
        if self.head != "standard":
            from safetensors.torch import load_file

            backbone.model.get_submodule("head").load_state_dict(load_file(folder / HEAD_FILE))

    def loading_code(self, backbone: Transformer) -> str:
        """Peft and transformers alone."""
        if self.head != "standard" and not backbone.spec.is_vector:
            return super().loading_code(backbone)
        kind = backbone.spec.auto_class.replace("AutoModel", "AutoPeftModel")
        if backbone.spec.is_language_model:
            return (
                f"from peft import {kind}\n"
                "from transformers import AutoTokenizer\n\n"
                'folder = "."  # this folder\n'
                f"model = {kind}.from_pretrained(folder)\n"
                "tokenizer = AutoTokenizer.from_pretrained(folder)\n"
            )
        options = "".join(f", {name}={value!r}" for name, value in backbone.plain_options().items())
        if backbone.spec.is_vector:
            return (
                "from peft import AutoPeftModelForFeatureExtraction\n"
                "from transformers import AutoTokenizer\n\n"
                'folder = "."  # this folder\n'
                f"model = AutoPeftModelForFeatureExtraction.from_pretrained(folder{options})\n"
                "tokenizer = AutoTokenizer.from_pretrained(folder)\n"
            )
        return (
            "import json\n"
            f"from peft import {kind}\n"
            "from transformers import AutoTokenizer\n\n"
            'folder = "."  # this folder\n'
            'names = json.load(open(folder + "/labels.json", encoding="utf-8"))\n'
            "names = {int(number): name for number, name in names.items()}\n"
            f"model = {kind}.from_pretrained(\n"
            f"    folder, id2label=names{options}\n)\n"
            "tokenizer = AutoTokenizer.from_pretrained(folder)\n"
        )
