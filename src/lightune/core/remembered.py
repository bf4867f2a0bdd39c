"""What was measured on this machine, kept as JSON in the cache folder: one file a kind of measurement."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from lightune.core.paths import cache_folder, write_whole


def recall(kind: str) -> dict[str, Any]:
    """All that is kept of a kind, by name; empty where nothing is or the file is broken."""
    try:
        known = json.loads((cache_folder() / f"{kind}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def remember(kind: str, name: str, value: Any) -> None:
    """Keep one more; a full disk loses it, and it is measured again next time."""
    known = {**recall(kind), name: value}
    with contextlib.suppress(OSError):
        write_whole(cache_folder() / f"{kind}.json", json.dumps(known, indent=1).encode())
