"""What a result was measured on: commit, machine, versions, date."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("lightune", "torch", "transformers", "peft", "scikit-learn", "setfit")


def describe() -> dict[str, Any]:
    """Commit (`-dirty` with changes that are not committed), date, machine and versions."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return {
        "commit": found.stdout.strip() or "unknown",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _machine() -> dict[str, Any]:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    return {
        "system": platform.system(),
        "processor": fields.get("model name", platform.processor() or platform.machine()),
        "cores": os.cpu_count(),
        "bf16": any("bf16" in flag for flag in flags),
        "vnni": any("vnni" in flag for flag in flags),
        "python": platform.python_version(),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
