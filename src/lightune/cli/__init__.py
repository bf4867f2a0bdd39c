"""The command line: verbs are files, flags are fields of `Request` and of the settings groups."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `lightune` program: exit 0, 2 for a mistake of the user's, 1 for one of ours."""
    from lightune.cli.app import run

    sys.exit(run(sys.argv[1:]))
