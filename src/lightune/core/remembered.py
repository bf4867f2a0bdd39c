"""What was found out on this machine, kept as JSON in the cache folder: one file for each kind.

Two processes may lose each other's entry, never the file; what is lost is only found out again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

from lightune.core.paths import cache_folder, write_whole


def recall(kind: str) -> dict[str, dict[str, Any]]:
    """All that is kept of a kind, by name; empty where nothing is or the file is broken."""
    try:
        known = json.loads((cache_folder() / f"{kind}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {name: value for name, value in known.items() if isinstance(value, dict)}


def remember(
    kind: str, name: str, value: dict[str, Any], *, is_kept: Callable[[str], bool] = lambda _: True
) -> None:
    """Keep one more, beside the others of its kind whose name `is_kept`; a full disk loses it."""
    known = {old: entry for old, entry in recall(kind).items() if is_kept(old)}
    with contextlib.suppress(OSError):
        write_whole(cache_folder() / f"{kind}.json", json.dumps(known | {name: value}, indent=1).encode())
