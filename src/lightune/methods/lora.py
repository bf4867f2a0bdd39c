"""LoRA: W + BA with B, A of low rank (Hu et al. 2021, arXiv:2106.09685), injected by peft.

The adapter goes into all linear maps of the top k layers, by explicit module paths.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from lightune.core.errors import UserError
from lightune.methods.base import LayeredSettings, Method, MethodSettings, Recipe

if TYPE_CHECKING:
    from lightune.backbones.transformer import Transformer

HEAD_FILE = "head.safetensors"
ATTENTION = (
    "query",
    "value",
    "q_proj",
    "v_proj",
    "q_lin",
    "v_lin",
    "c_attn",
    "Wqkv",
    "query_proj",
    "value_proj",
)


class LoraSettings(LayeredSettings):
    """LoRA's own settings."""

    rank: int = Field(8, ge=1, le=1024, description="width of the low-rank update")
    alpha: float | None = Field(
        None, gt=0, description="the update is scaled by alpha / rank (twice the rank)"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the input of the update")
    base_dropout: bool = Field(
        False, description="the model's own dropout while training: slower, and no better in few epochs"
    )
    modules: Literal["all", "attention"] = Field(
        "all", description="every linear map, or query and value of the attention only"
    )


class Lora(Method):
    """Low-rank updates of the linear maps, and the head."""

    Settings: ClassVar[type[MethodSettings]] = LoraSettings
    name = "lora"
    summary = "low-rank updates of the linear maps"
    paper = "Hu et al. 2021, arXiv:2106.09685"
    opens_with = "peft"
    settings: LoraSettings

    def recipe(self, num_rows: int) -> Recipe:
        """One-cycle with a high peak: few epochs are enough."""
        epochs = 1 if num_rows >= 3000 else 3 if num_rows >= 1000 else 8 if num_rows >= 200 else 20
        return Recipe(2e-3, 2e-3, epochs, "onecycle", f"LoRA takes high rates; {num_rows} rows")

    def apply(self, backbone: Transformer) -> None:
        """Inject the adapter by peft; the head (and pooler) is trained and saved whole."""
        import peft

        paths = backbone.linear_paths(self.frozen_depth(backbone.depth))
        if self.settings.modules == "attention":
            paths = [path for path in paths if path.rsplit(".", 1)[-1] in ATTENTION]
        if not paths:
            raise UserError(
                "no linear map to adapt", hint="Set --method.layers to 1 or more, or --method head."
            )
        is_headed = self.head != "standard"
        config = peft.LoraConfig(
            task_type="FEATURE_EXTRACTION" if is_headed else backbone.spec.peft_type,
            r=self.settings.rank,
            lora_alpha=self.settings.alpha or 2 * self.settings.rank,
            lora_dropout=self.settings.dropout,
            target_modules=[path.removeprefix("base.") for path in paths] if is_headed else paths,
            modules_to_save=None
            if is_headed
            else [name.rsplit(".", 1)[-1] for name in backbone.head_modules()],
        )
        _inject(backbone, lambda model: peft.get_peft_model(model, config), is_headed=is_headed)
        if is_headed:
            backbone.model.get_submodule("head").requires_grad_(True)

    def start_training(self, backbone: Transformer, cut: int) -> None:
        """The adapter's dropout and the head's; the pre-trained part's own only where it is asked for."""
        backbone.set_training(cut)
        if self.settings.base_dropout:
            return
        backbone.base.eval()
        for name, module in backbone.base.named_modules():
            if name.endswith("lora_dropout"):
                module.train()

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

        is_headed = self.head != "standard"
        _inject(
            backbone, lambda model: peft.PeftModel.from_pretrained(model, str(folder)), is_headed=is_headed
        )
        if self.head != "standard":
            from safetensors.torch import load_file

            backbone.model.get_submodule("head").load_state_dict(load_file(folder / HEAD_FILE))

    def loading_code(self, backbone: Transformer) -> str:
        """Peft and transformers alone."""
        if self.head != "standard" and not backbone.spec.is_vector:
            return super().loading_code(backbone)
        kind = backbone.spec.auto_class.replace("AutoModel", "AutoPeftModel")
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


def _inject(backbone: Transformer, wrap: Any, *, is_headed: bool) -> None:
    """Wrap the network (or the base under lightune's own head) by peft, in place."""
    target = backbone.model.base if is_headed else backbone.model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backbone.peft_model = wrap(target)
