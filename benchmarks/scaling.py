"""Ten times the rows: how much more time and memory, whole `lightune train` processes with an empty store.

python benchmarks/scaling.py --methods head side lora
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frontier import RESULTS, machine, write_parts

FILE = RESULTS / "scaling.json"
SIZES = (1000, 10_000)
TEST_ROWS = 500


def run(method: str, rows: int) -> dict[str, Any]:
    """One process on `rows` movie sentences, one epoch (head: ten)."""
    from lightune.core.paths import cache_folder

    known = cache_folder()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train, test = write_parts("movies", folder, rows, TEST_ROWS)
        (folder / "cache").mkdir()
        (folder / "cache" / "models").symlink_to(known / "models")
        command = [sys.executable, "-m", "lightune", "train", str(train), "--test", str(test), "--json"]
        command += ["--model", "minilm", "--method", method, "--data.max-length", "128", "--quiet"]
        command += ["--train.epochs", "10" if method == "head" else "1", "--output", str(folder / "run")]
        environment = {**os.environ, "LIGHTUNE_CACHE": str(folder / "cache")}
        began = time.perf_counter()
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - began
    said = json.loads(ended.stdout.splitlines()[-1])
    return {"seconds": seconds, "peak_memory_bytes": said["peak_memory_bytes"]}


def main() -> None:
    """Run both sizes of every method, record the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["head", "side", "lora"])
    asked = parser.parse_args()
    known: dict[str, Any] = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    for method in asked.methods:
        small, large = (run(method, rows) for rows in SIZES)
        ratios = {key: large[key] / small[key] for key in small}
        known[method] = {"rows": SIZES, "small": small, "large": large, "ratios": ratios, **machine()}
        FILE.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        seconds, memory = ratios["seconds"], ratios["peak_memory_bytes"]
        print(
            f"{method:6} 10x the rows: {seconds:5.2f}x the time, {memory:4.2f}x the peak memory", flush=True
        )


if __name__ == "__main__":
    main()
