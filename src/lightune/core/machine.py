"""What this computer is and what this process uses."""

from __future__ import annotations

import os
import platform
import sys


def peak_memory_bytes() -> int:
    """The most resident memory this process has had so far, in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024


def memory_bytes() -> int:
    """The resident memory this process has now, in bytes."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def describe() -> str:
    """One line for reports: system, processor, cores."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{system}, Python {platform.python_version()}"
