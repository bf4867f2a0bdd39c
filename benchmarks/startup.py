"""How long a person waits for `--help` and for the message after a mistake: medians, printed, never a test.

The aims (docs): help within 0.5 s, a mistake within 1 s. Run: `.venv/bin/python benchmarks/startup.py`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 5
GOOD = "text,label\n" + "".join(f"film {n} was fine,{'pos' if n % 2 else 'neg'}\n" for n in range(1000))
FILES = {
    "good.csv": GOOD,
    "ragged.csv": GOOD + "only a text\n",
    "one_class.csv": "text,label\n" + "a fine film,pos\n" * 1000,
}
CASES = [
    ("--help", 0.5),
    ("train --help", 0.5),
    ("check missing.csv", 1.0),
    ("check ragged.csv", 1.0),
    ("check good.csv", 1.0),
    ("train missing.csv", 1.0),
    ("train ragged.csv", 1.0),
    ("train one_class.csv", 1.0),
    ("train good.csv --label lable", 1.0),
    ("train good.csv --method.ranc 4", 1.0),
    ("plan ragged.csv", 1.0),
    ("predict nothing good.csv", 1.0),
    ("evaluate nothing good.csv", 1.0),
]


def median_seconds(words: str, folder: Path) -> float:
    """The median of `REPEATS` runs of one command line, in a process of its own each."""
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        program = [sys.executable, "-m", "lightune", *words.split()]
        subprocess.run(program, cwd=folder, capture_output=True, check=False)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def main() -> None:
    """Print one line a command."""
    print(f"median of {REPEATS} on {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as name:
        for file, content in FILES.items():
            Path(name, file).write_text(content)
        for words, aim in CASES:
            seconds = median_seconds(words, Path(name))
            verdict = "" if seconds <= aim else "  OVER"
            print(f"{seconds:6.2f} s  (aim {aim:.1f})  lightune {words}{verdict}")


if __name__ == "__main__":
    main()
