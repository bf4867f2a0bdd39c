"""A GGUF file becomes a folder that gives the same logits: a tiny Llama written in the format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightune.backbones.gguf import gguf_to_folder
from lightune.core.errors import UserError
from lightune.core.progress import Show

QUIET = Show(is_quiet=True)


def tokens() -> list[str]:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(bytes_to_unicode().values()), "go", "goo"]


def tiny_llama() -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokens()),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        initializer_range=0.5,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
    )
    torch.manual_seed(0)
    return LlamaForCausalLM(config).eval()


def interleaved(weight: Any, num_heads: int) -> Any:
    """Query and key rows in llama.cpp's order of rotary halves."""
    rows, columns = weight.shape
    return weight.reshape(num_heads, 2, rows // num_heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_gguf(file: Path, model: Any) -> None:
    """The model as a float32 GGUF file, as llama.cpp names its parts."""
    import gguf

    config = model.config
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(100_000.0)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens())
    writer.add_token_merges(["g o", "go o"])
    writer.add_token_types([3, 3, 3] + [1] * (len(tokens()) - 3))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight":  # tied
            continue
        value = weight.numpy()
        if ".q_proj." in name:
            value = interleaved(value, config.num_attention_heads)
        if ".k_proj." in name:
            value = interleaved(value, config.num_key_value_heads)
        place = names.get_name(name, try_suffixes=(".weight",))
        assert place is not None, name
        writer.add_tensor(place, value.copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def llama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Any]:
    monkeypatch.setenv("LIGHTUNE_CACHE", str(tmp_path / "cache"))
    model = tiny_llama()
    write_gguf(tmp_path / "tiny llama.gguf", model)
    return tmp_path / "tiny llama.gguf", model


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_folder_gives_the_same_logits(llama: tuple[Path, Any]) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file, model = llama
    folder = gguf_to_folder(file, QUIET)
    tokenizer, loaded = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    assert len(tokenizer) == model.config.vocab_size
    assert (tokenizer.pad_token_id, tokenizer.padding_side) == (loaded.config.pad_token_id, "right")
    assert tokenizer.model_max_length == 64
    assert tokenizer.tokenize("good") == ["goo", "d"]
    assert loaded.dtype == torch.float32
    ids = torch.tensor([[5, 9, 200, 17, 3]])
    with torch.no_grad():
        difference = (loaded.eval()(ids).logits - model(ids).logits).abs().max()
    assert difference < 1e-5
    assert str(file.parent) not in (folder / "config.json").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_file_cut_short_is_refused_and_leaves_nothing(kept: float, llama: tuple[Path, Any]) -> None:
    file, _ = llama
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(UserError, match="cannot read this GGUF file"):
        gguf_to_folder(file, QUIET)
    models = file.parent / "cache" / "models"
    assert not [place for place in models.iterdir() if place.suffix != ".lock"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_is_converted_once_and_found_by_its_content(
    llama: tuple[Path, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    file, _ = llama
    folder = gguf_to_folder(file, QUIET)
    assert capfd.readouterr() == ("", ""), "quiet means quiet"
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert gguf_to_folder(file, QUIET) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    file.write_bytes(file.read_bytes() + b"\0")
    assert gguf_to_folder(file, QUIET) != folder
