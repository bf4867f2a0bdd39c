"""A tokenizer and a network from a folder or the hub's own cache: by transformers, with clear errors."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lightune.backbones.base import HeadSpec
from lightune.backbones.heads import Headed, PooledHead
from lightune.core.errors import UserError

WRITING_CLASS = "AutoModelForSeq2SeqLM"  # of networks whose decoder writes from what their encoder read
RECURRENT = "lightune-recurrent"  # the model type in config.json
# Where it is installed, peft imports it, and it tells of kernels that it can do without.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
LONGEST = 4096  # a tokenizer that knows no limit gets this one


def not_a_writer(source: str) -> UserError:
    """The error for an encoder where a text is to be written."""
    hint = "Take a causal language model, such as --model smollm2."
    return UserError("this is not a model that writes: it reads texts whole", file=source, hint=hint)


def load_tokenizer(source: str) -> Any:
    """The tokenizer of a folder or hub id, padding on the right with a token it has."""
    from transformers import AutoTokenizer

    _know_own_kinds(source)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0]
        raise UserError(
            f"no tokenizer could be loaded: {first}",
            file=source,
            hint="A model folder needs its tokenizer.json (or vocab.txt) beside config.json.",
        ) from None
    tokenizer.padding_side = "right"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def load_model(source: str, spec: HeadSpec, head: str, tokenizer: Any, bits: int | None = None) -> nn.Module:
    """The network with its head in float32, untouched weights below and a fresh head on top.

    Args:
        bits: of a weight in the layers' linear maps, which are packed as they are read; None: float32.
    """
    import transformers

    _know_own_kinds(source)
    wanted = getattr(transformers, _class_for(source, spec) if head == "standard" else "AutoModel")
    known: dict[str, Any] = {"dtype": torch.float32}
    if head == "standard" and not spec.is_language_model:
        names = dict(enumerate(spec.labels))
        known |= {"id2label": names, "label2id": {v: k for k, v in names.items()}}
        known |= {"num_labels": spec.num_labels, "problem_type": spec.problem_type}
    if bits is not None:
        from lightune.backbones.few_bits import Packing

        known["quantization_config"] = Packing(bits)
    with quiet_transformers():
        try:
            model = wanted.from_pretrained(source, **known)
        except (OSError, ValueError, KeyError) as error:
            if spec.is_language_model and "Unrecognized configuration class" in str(error):
                raise not_a_writer(source) from None
            first = str(error).splitlines()[0]
            hint = "The folder needs config.json and model.safetensors of a model that transformers knows."
            if head == "standard":
                hint += " A model without a classification head of its own can be trained with --head mean."
            raise UserError(f"the model could not be loaded: {first}", file=source, hint=hint) from None
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = tokenizer.pad_token_id
    if (
        getattr(config, "is_encoder_decoder", False)
        and getattr(config, "decoder_start_token_id", None) is None
    ):
        config.decoder_start_token_id = config.pad_token_id
    if hasattr(config, "use_cache"):
        config.use_cache = False
    if head == "standard":
        return model  # type: ignore[no-any-return]
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # trained for another head: neither run nor saved
    num_labels = None if spec.is_vector else spec.num_labels
    return Headed(model, PooledHead(int(config.hidden_size), num_labels, head))


def _know_own_kinds(source: str) -> None:
    """Make lightune's own networks known to transformers, where `source` holds one."""
    file = Path(source) / "config.json"
    if file.is_file() and RECURRENT in file.read_text(encoding="utf-8"):
        import lightune.backbones.recurrent  # noqa: F401 - registers its classes


def make_room(model: nn.Module, tokenizer: Any) -> bool:
    """Give `model` embeddings for all that the tokenizer knows, as peft does; whether it had too few."""
    base: Any = model.base if isinstance(model, Headed) else model
    if len(tokenizer) <= base.get_input_embeddings().weight.shape[0]:
        return False
    with quiet_transformers():
        base.resize_token_embeddings(len(tokenizer))
    return True


def _class_for(source: str, spec: HeadSpec) -> str:
    """The transformers class that the task names; where it writes, that of the model's own kind."""
    if not spec.is_language_model:
        return spec.auto_class
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(source)
    except (OSError, ValueError, KeyError):
        return spec.auto_class  # what is wrong is said when the weights are loaded
    return WRITING_CLASS if getattr(config, "is_encoder_decoder", False) else spec.auto_class


def writes_from_encoder(model: Any) -> bool:
    """Whether a decoder writes, with its own vocabulary outputs, from what an encoder has read."""
    is_double = bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))
    return is_double and getattr(model, "get_output_embeddings", lambda: None)() is not None


def max_length_of(config: Any, tokenizer: Any) -> int:
    """Tokens that the model and its tokenizer both take."""
    limits = [int(tokenizer.model_max_length)]
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    if positions:
        # RoBERTa and its kin count positions from the padding id onwards.
        offset = int(config.pad_token_id or 0) + 1 if _counts_from_padding(config) else 0
        limits.append(int(positions) - offset)
    return min([*limits, LONGEST])


def _counts_from_padding(config: Any) -> bool:
    return str(getattr(config, "model_type", "")) in {
        "roberta",
        "xlm-roberta",
        "camembert",
        "mpnet",
        "longformer",
    }


class quiet_transformers:
    """Holds back transformers' load report (a fresh head is expected here) and its progress bar."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self.level = logging.get_verbosity()
        self.had_bar = logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *ignored: object) -> None:
        from transformers.utils import logging

        logging.set_verbosity(self.level)
        if self.had_bar:
            logging.enable_progress_bar()
