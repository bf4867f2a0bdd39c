"""The command line: verbs are files, flags are fields of `Request` and of the settings groups."""

from __future__ import annotations

import atexit
import os
import sys


def main() -> None:
    """Entry point of the `lightune` program: exit 0, 2 for a mistake of the user's, 1 for one of ours."""
    from lightune.cli.app import run

    _leave(run(sys.argv[1:]))


def _leave(code: int) -> None:
    """End the process without taking apart what it holds: that is 1.3 s where torch is loaded."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(code)  # Python tells of output that could not be written
    atexit._run_exitfuncs()
    os._exit(code)
