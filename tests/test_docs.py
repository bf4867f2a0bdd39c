"""The pages that are written from the program are up to date."""

from __future__ import annotations

import subprocess
import sys

from tests.source import ROOT


def test_generated_pages_are_not_stale() -> None:
    program = [sys.executable, str(ROOT / "docs" / "build.py"), "--check"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
