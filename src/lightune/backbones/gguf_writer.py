"""Writes a decoder as a GGUF file, llama.cpp's format, by the `gguf` package: float16, or 8-bit blocks.

The names of tensors are those of the package's own map; only what llama.cpp's Llama and Qwen2 graphs compute
can be written, with a byte-level BPE tokenizer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError, nearest

KINDS = ("f16", "q8_0")
GRAPHS = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
}  # transformers' kind of model -> llama.cpp's
TURNED = "llama"  # whose query and key rows llama.cpp keeps in the order of rotary pairs
BLOCK = 32  # weights that share a scale in Q8_0
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5


def require_kind(kind: str) -> None:
    """Raise `UserError` for a precision that is not written."""
    if kind not in KINDS:
        raise UserError(f"--gguf cannot be {kind!r}", hint=nearest(kind, KINDS))


def require_writable(model: Any, tokenizer: Any, place: Path) -> None:
    """Check that the model and its tokenizer can be expressed.

    Raises:
        UserError: another kind of network or tokenizer, or settings that the format has no name for.
    """
    config = model.config
    hint = "Leave --gguf out: the transformers folder holds any kind."
    if config.model_type not in GRAPHS or not type(model).__name__.endswith("ForCausalLM"):
        known = ", ".join(GRAPHS)
        problem = (
            f"a {type(model).__name__} cannot be written as GGUF here: only decoders that write ({known})"
        )
        raise UserError(problem, file=place, hint=hint)
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") != "default" or getattr(config, "attention_bias", False):
        raise UserError("GGUF is written for plain rotary positions only", file=place, hint=hint)
    if _tokenizer_parts(tokenizer)["model"].get("type") != "BPE" or not _is_byte_level(tokenizer):
        problem = "GGUF is written for byte-level BPE tokenizers only (as SmolLM2's and Qwen2's)"
        raise UserError(problem, file=place, hint=hint)


def write_gguf(model: Any, tokenizer: Any, file: Path, kind: str) -> None:
    """Write `file`: 8-bit blocks of 32 where a matrix has whole ones, else float16; vectors in float32."""
    import gguf
    import numpy as np

    config = model.config
    graph = GRAPHS[config.model_type]
    writer = gguf.GGUFWriter(str(file), graph)
    _add_shape(writer, config, kind)
    _add_tokens(writer, tokenizer, model.get_input_embeddings().weight.shape[0])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[graph.upper()], config.num_hidden_layers)
    is_tied = bool(getattr(config, "tie_word_embeddings", False))
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and is_tied:
            continue
        value = weight.detach().cpu().float().numpy()
        if graph == TURNED and (".q_proj." in name or ".k_proj." in name):
            heads = config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads
            value = _turned(value, heads)
        place = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert place is not None, name
        if value.ndim == 1:
            writer.add_tensor(place, np.ascontiguousarray(value, dtype=np.float32))
        elif kind == "q8_0" and value.shape[-1] % BLOCK == 0:
            packed = gguf.quantize(np.ascontiguousarray(value), gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(place, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(place, np.ascontiguousarray(value.astype(np.float16)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: Any, config: Any, kind: str) -> None:
    import gguf

    rope = getattr(config, "rope_parameters", None) or {}
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    theta: Any = rope.get("rope_theta") or getattr(config, "rope_theta", 10_000.0)
    writer.add_rope_freq_base(float(theta))
    writer.add_vocab_size(config.vocab_size)
    is_blocks = kind == "q8_0"
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if is_blocks else gguf.LlamaFileType.MOSTLY_F16)


def _add_tokens(writer: Any, tokenizer: Any, number: int) -> None:
    """The vocabulary in order, padded to the rows of the embeddings; merges, special tokens, template."""
    parts = _tokenizer_parts(tokenizer)
    by_id = {place: token for token, place in tokenizer.get_vocab().items()}
    added = {one["id"]: bool(one["special"]) for one in parts.get("added_tokens") or ()}
    tokens = [by_id.get(place, f"[PAD{place}]") for place in range(number)]
    kinds = [
        (CONTROL if added[place] else USER_DEFINED)
        if place in added
        else NORMAL
        if place in by_id
        else UNUSED
        for place in range(number)
    ]
    merges = [one if isinstance(one, str) else " ".join(one) for one in parts["model"].get("merges") or ()]
    splits_digits = "Digits" in json.dumps(parts.get("pre_tokenizer"))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm" if splits_digits else "qwen2")
    writer.add_token_list(tokens)
    writer.add_token_merges(merges)
    writer.add_token_types(kinds)
    for role in ("bos", "eos", "unk", "pad"):
        place = getattr(tokenizer, f"{role}_token_id")
        if place is not None:
            getattr(writer, f"add_{role}_token_id")(place)
    if getattr(tokenizer, "chat_template", None):
        writer.add_chat_template(tokenizer.chat_template)


def _tokenizer_parts(tokenizer: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return found


def _is_byte_level(tokenizer: Any) -> bool:
    return "ByteLevel" in json.dumps(_tokenizer_parts(tokenizer).get("pre_tokenizer"))


def _turned(weight: Any, num_heads: int) -> Any:
    """Query or key rows (R, H) from halves to pairs of rotary dimensions, head by head."""
    rows, columns = weight.shape
    return weight.reshape(num_heads, 2, rows // num_heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
