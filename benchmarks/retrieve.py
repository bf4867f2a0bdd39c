"""The Chinese translation of an English sentence found among 500: fine-tuned beside the untouched model.

Pairs of the Debian Reference, each sentence once. 500 are held out; the model learns from the others, where
the translations of the other rows of a step are what the right one is told from (shuffled pairs).

python benchmarks/retrieve.py --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frontier import RESULTS, machine

FILE = RESULTS / "retrieve.json"
MODEL, CANDIDATES, MOST_TRAINED, MAX_LENGTH = "e5-multilingual", 500, 600, 64
LONGEST = 120  # characters of an English sentence


def write_parts(folder: Path, seed: int) -> tuple[Path, Path]:
    """train.csv and test.csv, drawn by the seed; no sentence is in both, or in one of them twice."""
    from lightune.core.progress import Show
    from lightune.data.bundled import bundled
    from lightune.data.read import read
    from lightune.data.settings import DataSettings

    table = read(str(bundled("debian-en-zh", Show(is_quiet=True))), DataSettings()).train
    pairs = [(str(row.values["en"]), str(row.values["zh"])) for row in table.rows]
    random.Random(seed).shuffle(pairs)
    known: set[str] = set()
    kept = []
    for pair in pairs:
        plain = {" ".join(one.lower().split()) for one in pair}
        if not plain & known and len(plain) == 2 and len(pair[0]) <= LONGEST:
            kept.append(pair)
        known |= plain
    parts = kept[CANDIDATES : CANDIDATES + MOST_TRAINED], kept[:CANDIDATES]
    files = folder / "train.csv", folder / "test.csv"
    for file, part in zip(files, parts, strict=True):
        with file.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("en", "zh"), *part])
    return files


def measure(seed: int, epochs: int) -> dict[str, Any]:
    """What `lightune train` says of one split: metrics, intervals and seconds of the run and of its rungs."""
    with tempfile.TemporaryDirectory() as name:
        train, test = write_parts(Path(name), seed)
        command = [sys.executable, "-m", "lightune", "train", str(train), "--test", str(test), "--json"]
        command += ["--task", "retrieve", "--text", "en,zh", "--model", MODEL, "--method", "lora", "--quiet"]
        command += ["--train.epochs", str(epochs), "--data.max-length", str(MAX_LENGTH), "--seed", str(seed)]
        ended = subprocess.run(
            [*command, "--output", f"{name}/run"], capture_output=True, text=True, check=True
        )
        found = json.loads(ended.stdout)
    assert len(found["rungs"]) > 1, "the untouched model and word counts stand beside the run"
    own = {
        "name": "lora",
        "metrics": found["metrics"]["test"],
        "intervals": found["intervals"]["test"],
        "seconds": found["seconds"]["total"],
    }
    return {"seed": seed, "rungs": [own, *found["rungs"]]}


def main() -> None:
    """Run, print, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=2)
    asked = parser.parse_args()
    runs = []
    for seed in asked.seeds:
        runs.append(measure(seed, asked.epochs))
        for rung in runs[-1]["rungs"]:
            low, high = rung["intervals"]["recall@1"]
            value = rung["metrics"]["recall@1"]
            print(seed, rung["name"], f"recall@1 {value:.3f} [{low:.3f}, {high:.3f}]", flush=True)
    record = {**machine(), "model": MODEL, "candidates": CANDIDATES, "epochs": asked.epochs, "runs": runs}
    FILE.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
