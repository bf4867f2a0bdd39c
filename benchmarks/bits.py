"""A frozen part of 4 bits against float32: peak memory of the whole process, held-out perplexity.

SmolLM2 answers ChatterBot's prompts by LoRA on all layers, one epoch, with the same flags but --method.bits.
Parts merge: results/bits.json has one record for each set of flags and way of storing.

python benchmarks/bits.py --bits none 4 -- --method.checkpointing true
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

from benchmarks.decoder import MAX_LENGTH, MODEL, write_parts
from benchmarks.frontier import RESULTS, machine

FILE = RESULTS / "bits.json"


def run(train: str, test: str, options: list[str]) -> dict[str, Any]:
    """One `lightune train` process: {perplexity, seconds, peak_memory_bytes}."""
    from lightune.core.paths import cache_folder

    known = cache_folder()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "models").symlink_to(known / "models")
        command = [sys.executable, "-m", "lightune", "train", train, "--test", test, "--model", MODEL]
        command += ["--task", "instruct", "--method", "lora", "--train.epochs", "1", "--json", "--quiet"]
        command += ["--data.max-length", str(MAX_LENGTH), "--output", f"{folder}/run", *options]
        environment = {**os.environ, "LIGHTUNE_CACHE": folder}
        began = time.perf_counter()
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
    if ended.returncode:
        return {"error": ended.stderr.strip().splitlines()[-2:], "seconds": seconds}
    said = json.loads(ended.stdout.splitlines()[-1])
    return {
        "perplexity": said["metrics"]["test"]["perplexity"],
        "seconds": seconds,
        "peak_memory_bytes": said["peak_memory_bytes"],
    }


def main() -> None:
    """Each way of storing, then the ratios to float32."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bits", nargs="+", default=["none", "8", "4"], choices=["none", "8", "4"])
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--test-rows", type=int, default=100)
    parser.add_argument("options", nargs="*", help="more flags of lightune train, behind --")
    asked = parser.parse_args()
    known: dict[str, Any] = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    flags = " ".join(asked.options)
    with tempfile.TemporaryDirectory() as name:
        files = write_parts(Path(name))
        for file, size in zip(files, (asked.rows, asked.test_rows), strict=True):
            lines = file.read_text("utf-8").splitlines()[:size]
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        train, test = map(str, files)
        runs = known.setdefault(flags, {})
        for bits in asked.bits:
            options = [*asked.options, *([] if bits == "none" else ["--method.bits", bits])]
            found = run(train, test, options)
            runs[bits] = {**found, "rows": asked.rows, "test_rows": asked.test_rows, **machine()}
            FILE.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
            print(bits, found, flush=True)
    plain = runs.get("none", {})
    for bits, one in runs.items():
        if "perplexity" in one and "perplexity" in plain:
            memory = one["peak_memory_bytes"] / plain["peak_memory_bytes"]
            worse = one["perplexity"] / plain["perplexity"] - 1
            print(f"{bits:5} {memory:.2f}x the memory, perplexity {worse:+.1%}, {one['seconds']:.0f} s")


if __name__ == "__main__":
    main()
