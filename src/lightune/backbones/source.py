"""From what a person gave as --model to a folder on this machine."""

from __future__ import annotations

import difflib
import json
import struct
from dataclasses import dataclass
from pathlib import Path

from lightune.backbones import catalog, hub
from lightune.backbones.digests import digest, find_by_digest, weight_files
from lightune.backbones.gguf import gguf_to_folder
from lightune.core.errors import UserError, nearest
from lightune.core.progress import Show

__all__ = ["Source", "digest", "find_by_digest", "resolve"]

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "*.model")
MISSPELT = 0.75  # how like a built-in name a word must be to be taken for a slip


@dataclass(frozen=True)
class Source:
    """A backbone that was found.

    Attributes:
        folder: a transformers folder; None when it must be fetched first and may not be.
        identifier: what a run records as its base model: a hub id, or the folder's path.
        name: short, for tables and file names.
        reason: where it comes from, in words.
        tokenizer: where its tokenizer is, when not in `folder`.
    """

    folder: Path | None
    identifier: str
    name: str
    reason: str
    tokenizer: Path | None = None


def resolve(model: str, show: Show, *, can_fetch: bool) -> Source:
    """The folder behind a built-in name, a local folder, a GGUF file, or a hub id.

    Raises:
        UserError: nothing of that name (the nearest is named), a folder with parts missing, or no network.
    """
    if model in catalog.names():
        return _built_in(model, show, can_fetch)
    path = Path(model).expanduser()
    if path.suffix.lower() == ".gguf":
        folder = gguf_to_folder(path, show)
        return Source(folder, str(folder), path.stem, f"made from the GGUF file {path.name}")
    if path.is_dir():
        require_model_folder(path)
        return Source(path, str(path.resolve()), path.resolve().name, "a folder on this machine")
    if path.is_file():
        hint = "Give the folder that holds it, with its config.json and tokenizer."
        raise UserError("a model is a folder or a .gguf file, not this file", file=path, hint=hint)
    if difflib.get_close_matches(model.lower(), catalog.names(), n=1, cutoff=MISSPELT):
        raise UserError(f"there is no model called {model!r}", hint=nearest(model, catalog.names()))
    if not hub.is_hub_id(model):
        raise UserError("no such model folder", file=model, hint=_instead())
    return _from_hub(model, show, can_fetch)


def require_model_folder(folder: Path) -> None:
    """Check that a folder holds config, weights and tokenizer.

    Raises:
        UserError: what is missing or broken.
    """
    if (folder / "adapter_config.json").is_file():
        hint = f"Use it with: lightune predict {folder} DATA. To train on, give its base model as --model."
        raise UserError("this is a trained adapter, not a model", file=folder, hint=hint)
    if not (folder / "config.json").is_file():
        files = sorted(folder.glob("*.gguf"))
        hint = f"To use the GGUF file in it: --model {files[0]}" if files else _needs()
        raise UserError("there is no config.json in this folder", file=folder, hint=hint)
    weights = weight_files(folder)
    if not weights:
        problem = "there are no weights (model.safetensors or pytorch_model.bin) in this folder"
        raise UserError(problem, file=folder, hint=_needs())
    for file in (*weights, *_missing_shards(folder)):
        require_whole(file)
    if not any(any(folder.glob(pattern)) for pattern in TOKENIZER_FILES):
        raise UserError("there is no tokenizer in this folder", file=folder, hint=_needs())


def _built_in(name: str, show: Show, can_fetch: bool) -> Source:
    entry = catalog.names()[name]
    is_there = name in catalog.installed()
    if not is_there and not can_fetch:
        return Source(None, name, name, f"built-in, not fetched yet (lightune models get {name})")
    folder = catalog.get(name, show)
    return Source(folder, str(folder), name, f"built-in: {entry.description}")


def _from_hub(model: str, show: Show, can_fetch: bool) -> Source:
    folder = hub.fetch(model, show, instead=_instead()) if can_fetch else hub.find(model)
    if folder is None:
        return Source(None, model, model.rsplit("/", maxsplit=1)[-1], "on the model hub, not fetched yet")
    require_model_folder(folder)
    return Source(folder, model, model.rsplit("/", maxsplit=1)[-1], "from the model hub")


def _missing_shards(folder: Path) -> list[Path]:
    """The weight files that the folder's index names and that are not there."""
    missing: set[Path] = set()
    for index in folder.glob("*.index.json"):
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError):
            raise UserError("this index of the weight files is broken", file=index, hint=_needs()) from None
        missing |= {folder / name for name in names if not (folder / name).is_file()}
    return sorted(missing)


def require_whole(file: Path) -> None:
    """Refuse a weight file that is absent, a Git LFS pointer, or shorter than its own header says.

    Raises:
        UserError: it is not whole.
    """
    if not file.is_file():
        raise UserError("this weight file is missing", file=file, hint="Copy the whole folder again.")
    with file.open("rb") as stream:
        start = stream.read(8)
        if start == b"version ":
            hint = "Run: git lfs pull, in the folder the model was cloned to."
            raise UserError("this is a Git LFS pointer, not the weights", file=file, hint=hint)
        if file.suffix != ".safetensors":
            return
        try:
            (length,) = struct.unpack("<Q", start)
            if length > file.stat().st_size:
                raise ValueError
            header = json.loads(stream.read(length))
            end = max((value["data_offsets"][1] for name, value in header.items() if name != "__metadata__"))
        except (struct.error, ValueError, KeyError, TypeError, AttributeError):
            end, length = file.stat().st_size, 0
    if 8 + length + end > file.stat().st_size:
        hint = "It was probably cut short. Copy or download it again."
        raise UserError("this weight file is broken", file=file, hint=hint)


def _needs() -> str:
    return "A model folder holds config.json, model.safetensors and the tokenizer's files."


def _instead() -> str:
    built_in = ", ".join(catalog.names())
    return f"Without the hub: --model {built_in}, or a folder with config.json, weights and tokenizer."
