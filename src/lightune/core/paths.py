"""Places on disk: the cache folder, and folders that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import uuid
from pathlib import Path

from lightune.core.errors import UserError


def cache_folder() -> Path:
    """`$LIGHTUNE_CACHE`, else the platform's cache folder + `lightune`, made owner-only on first use."""
    if chosen := os.environ.get("LIGHTUNE_CACHE"):
        folder = Path(chosen).expanduser()
    elif sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "lightune" / "cache"
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches" / "lightune"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "lightune"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def require_free(folder: Path, needed_bytes: int, purpose: str) -> None:
    """Raise `UserError` when the disk of `folder` has less than `needed_bytes` free."""
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise UserError(
            f"not enough room on the disk for {purpose}: {needed_bytes / 1e6:,.0f} MB needed, "
            f"{free / 1e6:,.0f} MB free in {place}",
            hint="Free some room, or set LIGHTUNE_CACHE to a folder on another disk.",
        )


def is_disk_full(error: Exception) -> bool:
    """Whether `error` says that the disk is full or the quota used up.

    Not only `OSError`: safetensors has an error of its own, with the system's number in its text.
    """
    import errno

    numbers = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
    if isinstance(error, OSError):
        return error.errno in numbers
    return any(f"(os error {number})" in str(error) for number in numbers)


def file_sha256(path: Path) -> str:
    """The hex sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all."""
    work = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        work.write_bytes(data)
        work.replace(path)
    except OSError:  # a full disk keeps no half of it
        work.unlink(missing_ok=True)
        raise


def replace_folder(work: Path, final: Path) -> None:
    """Move the finished folder `work` to `final`, which must not exist: whole or not at all."""
    final.parent.mkdir(parents=True, exist_ok=True)
    work.replace(final)
