"""Tiny random models of every architecture the suite covers: 4 layers, 32 wide, made in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny_tokenizer import MAX_TOKENS, SPECIALS, tiny_tokenizer

WIDTH, HEADS, INNER = 32, 4, 64
SPREAD = 0.2  # wide enough that different inputs give clearly different outputs
ENCODERS = ("bert", "roberta", "distilbert", "electra", "deberta", "albert", "modernbert")
DECODERS = ("gpt2", "llama", "qwen2")
ENCODER_DECODERS = ("t5", "bart", "marian")
KINDS = (*ENCODERS, *DECODERS, *ENCODER_DECODERS)
CLASSIFIERS = tuple(kind for kind in KINDS if kind != "marian")  # transformers has no classifier for Marian

COMMON: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "initializer_range": SPREAD,
}


def tiny_model(folder: Path, kind: str, *, num_layers: int = 4, num_labels: int | None = None) -> Path:
    """Save a random model of architecture `kind` with its tokenizer in `folder`, always the same weights.

    Args:
        folder: made when missing; returned.
        kind: one of `KINDS`.
        num_layers: of the encoder, and of the decoder where there is one.
        num_labels: save a sequence classifier with that many labels, not the bare model.
    """
    import torch
    from transformers import AutoModel, AutoModelForSequenceClassification

    config = tiny_config(kind, num_layers, num_labels)
    random_state = torch.get_rng_state()
    torch.manual_seed(0)
    auto = AutoModel if num_labels is None else AutoModelForSequenceClassification
    model = auto.from_config(config)
    torch.set_rng_state(random_state)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tiny_tokenizer(kind).save_pretrained(folder)
    return folder


def tiny_config(kind: str, num_layers: int, num_labels: int | None = None) -> Any:
    """The transformers configuration of a tiny `kind`."""
    from transformers import AutoConfig

    assert kind in KINDS, f"{kind!r} is none of {KINDS}"
    vocabulary = tiny_tokenizer(kind).get_vocab()
    ids = {role.replace("token", "token_id"): vocabulary[t] for role, t in SPECIALS[kind].roles.items()}
    wanted = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
    values = {name: ids[name] for name in wanted if name in ids} | {"vocab_size": len(vocabulary)}
    if kind == "modernbert":  # its defaults lie outside a small vocabulary
        values |= {"bos_token_id": ids["cls_token_id"], "eos_token_id": ids["sep_token_id"]}
    values |= _shape(kind, num_layers, ids)
    if num_labels is not None:
        values["num_labels"] = num_labels
    return AutoConfig.for_model("deberta-v2" if kind == "deberta" else kind, **values)


def _shape(kind: str, num_layers: int, ids: dict[str, int]) -> dict[str, Any]:
    if kind in ENCODERS:
        return _encoder(kind, num_layers)
    if kind in DECODERS:
        return _decoder(kind, num_layers)
    return _encoder_decoder(kind, num_layers, ids)


def _encoder(kind: str, num_layers: int) -> dict[str, Any]:
    plain = COMMON | {"num_hidden_layers": num_layers, "max_position_embeddings": MAX_TOKENS}
    own: dict[str, dict[str, Any]] = {
        "bert": {},
        "roberta": {"max_position_embeddings": MAX_TOKENS + 2, "type_vocab_size": 1},  # counted from pad + 1
        "electra": {"embedding_size": 16},
        "albert": {"embedding_size": 16},
        "deberta": {
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 16,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
        "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 16},
    }
    if kind == "distilbert":
        width: dict[str, Any] = {"dim": WIDTH, "hidden_dim": INNER, "n_heads": HEADS, "n_layers": num_layers}
        return width | {"max_position_embeddings": MAX_TOKENS, "initializer_range": SPREAD}
    return plain | own[kind]


def _decoder(kind: str, num_layers: int) -> dict[str, Any]:
    if kind == "gpt2":
        width: dict[str, Any] = {"n_embd": WIDTH, "n_head": HEADS, "n_inner": INNER, "n_layer": num_layers}
        return width | {"n_positions": MAX_TOKENS, "initializer_range": SPREAD}
    shape = {"num_hidden_layers": num_layers, "num_key_value_heads": 2, "tie_word_embeddings": True}
    return COMMON | shape | {"max_position_embeddings": MAX_TOKENS}


def _encoder_decoder(kind: str, num_layers: int, ids: dict[str, int]) -> dict[str, Any]:
    width: dict[str, Any]
    if kind == "t5":
        width = {"d_model": WIDTH, "d_kv": WIDTH // HEADS, "d_ff": INNER, "num_heads": HEADS}
        layers = {"num_layers": num_layers, "num_decoder_layers": num_layers}
        own = {"relative_attention_num_buckets": 8, "tie_word_embeddings": True}
        return width | layers | own | {"decoder_start_token_id": ids["pad_token_id"]}
    width = {
        "d_model": WIDTH,
        "encoder_ffn_dim": INNER,
        "decoder_ffn_dim": INNER,
        "init_std": SPREAD,
    }
    heads = {"encoder_attention_heads": HEADS, "decoder_attention_heads": HEADS}
    layers = {"encoder_layers": num_layers, "decoder_layers": num_layers}
    start = ids["eos_token_id"] if kind == "bart" else ids["pad_token_id"]
    ends = {"decoder_start_token_id": start, "forced_eos_token_id": ids["eos_token_id"]}
    return width | heads | layers | ends | {"max_position_embeddings": MAX_TOKENS}
