"""Turns a GGUF file (llama.cpp's format of quantised models) into a plain transformers folder, once.

Reading one takes transformers half a minute for 135 M parameters, so the result is kept in the cache
folder. The weights are saved as float32: float16 would change SmolLM2's logits by up to 0.04, bfloat16
by 0.18 (2 cores, 2026-11-23).
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from pathlib import Path
from typing import Any

from filelock import FileLock

from lightune.core.errors import UserError
from lightune.core.paths import cache_folder, file_sha256, replace_folder, require_free
from lightune.core.progress import Show

MAGIC = b"GGUF"
FLOAT_BYTES_PER_FILE_BYTE = 8  # float32 from 4-bit values, the smallest common kind
KEY_LENGTH = 16
# What transformers raises on a kind of model it does not know, and on files cut short.
UNREADABLE = (ValueError, LookupError, TypeError, RuntimeError, OSError, struct.error)


def gguf_to_folder(file: Path, show: Show) -> Path:
    """The transformers folder made from a GGUF file, kept under the file's digest.

    Raises:
        UserError: no such file, no GGUF file, a kind of model transformers cannot read, or a missing package.
    """
    if not file.is_file():
        raise UserError("no such file", file=file, hint="--model takes a folder, a .gguf file or a name.")
    with file.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise UserError(
                "this is not a GGUF file", file=file, hint="It may have been cut short: copy it again."
            )
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem)[:60]
    folder = cache_folder() / "models" / f"{name}-{file_sha256(file)[:KEY_LENGTH]}"
    if (folder / "config.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        if not (folder / "config.json").is_file():
            needed = FLOAT_BYTES_PER_FILE_BYTE * file.stat().st_size
            require_free(folder.parent, needed, f"converting {file.name}")
            work = folder.parent / f".{folder.name}.part"
            shutil.rmtree(work, ignore_errors=True)  # left by a killed process: we hold the lock
            try:
                work.mkdir()
                write_folder(file, work, show)
                replace_folder(work, folder)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return folder


def write_folder(file: Path, folder: Path, show: Show) -> None:
    """Write the model and tokenizer of a GGUF file into `folder`, float32, with a pad token.

    Raises:
        UserError: as `gguf_to_folder`.
    """
    show.note(f"Converting {file.name} to a transformers folder. This is done once.")
    with _quiet_transformers(show.is_quiet):
        try:
            model, tokenizer = _load(file)
        except UNREADABLE as error:
            reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            hint = (
                "If the file was cut short, copy it again; "
                "else use the model's original folder (config.json and safetensors)."
            )
            raise UserError(
                f"transformers cannot read this GGUF file: {reason}", file=file, hint=hint
            ) from error
        _choose_pad_token(model, tokenizer)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    _tidy(folder)


def _load(file: Path) -> tuple[Any, Any]:
    """(model, tokenizer), every weight in float32."""
    import torch
    import transformers

    place: dict[str, Any] = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    tokenizer = transformers.AutoTokenizer.from_pretrained(**place)
    if hasattr(transformers, "GgufConfig"):  # newer versions may otherwise keep the blocks packed
        place["quantization_config"] = transformers.GgufConfig(dequantize=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32)
    # A GGUF model counts as quantised even after dequantising, and would refuse to be saved.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model, tokenizer


def _choose_pad_token(model: Any, tokenizer: Any) -> None:
    """Pad with a token that exists already, so that the vocabulary does not grow."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    tokenizer.padding_side = "right"
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit:
        tokenizer.model_max_length = min(tokenizer.model_max_length, limit)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    assert len(tokenizer) <= model.get_input_embeddings().weight.shape[0]


def _tidy(folder: Path) -> None:
    """Make the folder readable by older transformers too, and leave no machine path in it."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for name in ("_name_or_path", "_model_name_or_path"):
        config.pop(name, None)
    rope = config.get("rope_parameters")
    if isinstance(rope, dict) and "rope_theta" in rope:  # transformers 4 reads it from the top level
        config["rope_theta"] = rope["rope_theta"]
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    for name in ("name_or_path", "gguf_file", "backend", "is_local", "local_files_only"):
        settings.pop(name, None)
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    text = json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
    for file in folder.iterdir():  # save_pretrained makes the weights owner-only
        os.chmod(file, 0o644)


@contextmanager
def _quiet_transformers(is_quiet: bool) -> Iterator[None]:
    """Keep transformers' own bars to those who want bars, and its loading chatter from everyone."""
    from transformers.utils import logging

    level, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if is_quiet:
        logging.disable_progress_bar()
    # The bar over the GGUF tensors asks neither setting.
    silence = redirect_stderr(io.StringIO()) if is_quiet else nullcontext()
    try:
        with silence:
            yield
    finally:
        logging.set_verbosity(level)
        if had_bars:
            logging.enable_progress_bar()
