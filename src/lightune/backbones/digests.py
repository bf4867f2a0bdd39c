"""What a backbone's bytes are called, so that a run that was moved finds the same ones again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from lightune.core.paths import cache_folder
from lightune.core.remembered import recall, remember

KIND = "digests"
CHUNK_BYTES = 1 << 22
DIGEST_BYTES = 16


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a model folder by name: safetensors, else PyTorch's `.bin`; empty when none."""
    for pattern in ("model*.safetensors", "pytorch_model*.bin"):
        if found := sorted(folder.glob(pattern)):
            return found
    return []


def digest(folder: Path) -> str:
    """The hex blake2b of a model folder's config and weights.

    Remembered in the cache folder by path, size and time of change: 90 MB take 0.2 s to read, 0.5 GB 2 s
    (2 cores, 2026-11-23).
    """
    files = [folder / "config.json", *weight_files(folder)]
    stamp = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    key = str(folder.resolve())
    known = recall(KIND).get(key)
    if known is not None and known.get("stamp") == stamp:
        return str(known["digest"])
    found = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for file in files:
        found.update(f"{file.name} {file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                found.update(chunk)
    value = {"stamp": stamp, "digest": found.hexdigest()}
    remember(KIND, key, value, is_kept=lambda other: Path(other).is_dir())
    return found.hexdigest()


def find_by_digest(wanted: str) -> Path | None:
    """A model folder with this digest, in the known places; None when there is none.

    Known places: every folder whose digest was asked for before, lightune's own models, the hub's cache.
    """
    likely = [key for key, value in recall(KIND).items() if value.get("digest") == wanted]
    for folder in (*map(Path, likely), *_known_folders()):
        if (folder / "config.json").is_file() and weight_files(folder):
            try:
                if digest(folder) == wanted:
                    return folder
            except OSError:  # unreadable, or deleted meanwhile
                continue
    return None


def _known_folders() -> Iterator[Path]:
    yield from (config.parent for config in sorted((cache_folder() / "models").glob("[!.]*/config.json")))
    if hub := _hub_cache():
        yield from (config.parent for config in sorted(hub.glob("models--*/snapshots/*/config.json")))


def _hub_cache() -> Path | None:
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE)
    return folder if folder.is_dir() else None
