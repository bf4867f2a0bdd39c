"""What all methods of peft's share: injected by peft, saved as a standard PEFT adapter folder."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from lightune.core.errors import UserError
from lightune.methods.base import Method

if TYPE_CHECKING:
    from lightune.backbones.transformer import Transformer


def _as_number(value: Any) -> Any:
    """The number that a flag spells out: a choice of numbers does not take text by itself."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


Bits = Annotated[Literal[4, 8] | None, BeforeValidator(_as_number)]
STORED_BITS: Any = Field(
    None, description="store the frozen part in 4 or 8 bits a weight, as GGUF's Q4_1 or Q8_0 (as it is)"
)
HEAD_FILE = "head.safetensors"
ADAPTER_FILE = "adapter_model.safetensors"
# What peft raises on an adapter that another network was trained with, and on broken files.
UNFITTING = (ValueError, TypeError, NotImplementedError, AttributeError, RuntimeError, LookupError, OSError)


class Injected(Method):
    """A method that peft implements; `config` says which tuner and where."""

    opens_with = "peft"

    @property
    def can_merge(self) -> bool:
        """Whether W + BA costs less to predict with, and is exact: not in weights of few bits."""
        return self.bits is None

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

        from lightune.methods._low_rank import summed

        config = summed(self.config(backbone))
        self.inject(backbone, lambda model: peft.get_peft_model(model, config))
        if self.head != "standard":
            backbone.model.get_submodule("head").requires_grad_(True)

    def inject(self, backbone: Transformer, wrap: Any) -> None:
        """Wrap the network (or the base under lightune's own head) by peft, in place.

        Where no layer is left out below a cut, a pooled head reads several depths, as that of `head` does.
        """
        depths = backbone.usual_depths(self.head) if self.frozen_depth(backbone.depth) == 0 else ()
        if len(depths) > 1:
            backbone.model.head.widen(depths)  # type: ignore[union-attr,operator]
        target = backbone.model.base if self.head != "standard" else backbone.model
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            backbone.peft_model = wrap(target)
        if backbone.peft_model.active_peft_config.is_prompt_learning:
            backbone.model.add_module("prompt_encoder", backbone.peft_model.prompt_encoder)
            backbone.whole, backbone.splits_output = self._prompted_whole(backbone), False
        else:
            backbone.bypass = backbone.peft_model.disable_adapter
        backbone.can_merge = self.can_merge

    def _prompted_whole(self, backbone: Transformer) -> Any:
        """What is called where a prompt goes in before the text: peft's wrapper, under a head of ours too.

        Raises:
            UserError: a head of ours reads the encoder alone, which peft puts no prompt into.
        """
        from lightune.backbones.heads import Prompted

        if self.head == "standard":
            return backbone.peft_model
        config: Any = backbone.base.config
        if getattr(config, "is_encoder_decoder", False):
            problem = f"--method {self.name} --head {self.head} has no place before an encoder's text"
            raise UserError(problem, hint="Try --method lora, or head.")
        return Prompted(backbone.peft_model, backbone.model.get_submodule("head"))  # type: ignore[arg-type]

    def save(self, backbone: Transformer, folder: Path) -> None:
        """A standard PEFT adapter folder, and the head beside it where it is lightune's own."""
        wrapped: Any = backbone.peft_model
        wrapped.peft_config["default"].base_model_name_or_path = backbone.identifier
        wrapped.save_pretrained(folder, save_embedding_layers=backbone.is_resized)
        if self.head != "standard":
            from safetensors.torch import save_file

            save_file(backbone.model.get_submodule("head").state_dict(), folder / HEAD_FILE)

    def load(self, backbone: Transformer, folder: Path) -> None:
        """The adapter folder, through peft."""
        self._open(backbone, folder, is_trainable=False)

    def resume(self, backbone: Transformer, folder: Path) -> None:
        """The adapter folder, through peft, with everything trainable that peft trains."""
        self._open(backbone, folder, is_trainable=True)
        if self.head != "standard":
            backbone.model.get_submodule("head").requires_grad_(True)

    def _open(self, backbone: Transformer, folder: Path, *, is_trainable: bool) -> None:
        """Wrap by peft and check that every weight found its place.

        Raises:
            UserError: the adapter is another network's, or its files are broken.
        """
        import peft

        from lightune.methods._low_rank import summed

        def wrap(model: Any) -> Any:
            config = peft.PeftConfig.from_pretrained(str(folder))
            if is_trainable and config.is_prompt_learning:
                return _prompted(model, config, folder)
            options = {"config": summed(config), "is_trainable": is_trainable}
            return peft.PeftModel.from_pretrained(model, str(folder), **options)

        try:
            self.inject(backbone, wrap)
        except UserError:
            raise
        except UNFITTING as error:
            raise _not_fitting(backbone, folder, str(error) or type(error).__name__) from None
        wrong = _unmatched(backbone.peft_model, folder / ADAPTER_FILE)
        if wrong:
            raise _not_fitting(backbone, folder, wrong)
        if self.head != "standard":
            from safetensors.torch import load_file

            backbone.model.get_submodule("head").load_state_dict(load_file(folder / HEAD_FILE))

    def fold(self, backbone: Transformer) -> None:
        """Peft's own merging, which refuses weights that are no numbers; then its wrappers are taken away.

        Not by `merge_and_unload`: peft 0.21 stumbles over a pooler that is saved whole, and leaves
        normalisations wrapped.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            backbone.peft_model.merge_adapter(safe_merge=True)
        unwrap(backbone.model)

    def loading_code(self, backbone: Transformer) -> str:
        """Peft and transformers alone."""
        if self.bits is None:
            return self._loading_code(backbone)
        note = f"# trained on weights of {self.bits} bits, in blocks of 32 (as GGUF files are):\n"
        return note + "# in float32 the answers are near, not equal\n" + self._loading_code(backbone)

    def _loading_code(self, backbone: Transformer) -> str:
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


def _prompted(model: Any, config: Any, folder: Path) -> Any:
    """A prompt that goes on training: peft's own loading refuses that.

    Raises:
        UserError: the prompt came out of a small network, which peft does not save.
    """
    import peft
    from peft.utils import load_peft_weights

    name = config.peft_type.value.lower()
    if name == "p_tuning" or getattr(config, "prefix_projection", False):
        problem = (
            f"a {name} adapter cannot go on training: peft saves the prompt, not the network that made it"
        )
        raise UserError(problem, file=folder, hint="Start anew without --from.")
    config.inference_mode = False
    wrapped = peft.get_peft_model(model, config)
    peft.set_peft_model_state_dict(wrapped, load_peft_weights(str(folder), device="cpu"))
    return wrapped


def _unmatched(wrapped: Any, file: Path) -> str:
    """What an adapter file has and the network has not, or the reverse; peft passes it over. "" if none."""
    import peft
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        there = set(opened.keys())
    known = peft.get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    surplus = {name for name in there - set(known) if "embed" not in name and "lm_head" not in name}
    if surplus:
        return f"the model has no place for {min(surplus)}"
    missing = set(known) - there
    return f"the adapter lacks {min(missing)}" if missing else ""


def _not_fitting(backbone: Transformer, folder: Path, reason: str) -> UserError:
    first = reason.strip().splitlines()[0][:200]
    hint = "Name the model that it was trained on with --model, or copy its folder again."
    return UserError(
        f"this adapter does not fit the model {backbone.identifier}: {first}", file=folder, hint=hint
    )


def unwrap(model: Any) -> None:
    """Put what peft has wrapped back in its place: merged layers, and the copies that were trained whole."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import ModulesToSaveWrapper

    def inside(module: Any) -> Any:
        if isinstance(module, ModulesToSaveWrapper):
            return module.modules_to_save[module.active_adapters[0]]
        return module.get_base_layer() if isinstance(module, BaseTunerLayer) else None

    while True:
        wrapped = next(((path, one) for path, one in model.named_modules() if inside(one) is not None), None)
        if wrapped is None:
            return
        path, module = wrapped
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, inside(module))
