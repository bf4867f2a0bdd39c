"""Every light method on the same rows: accuracy, time, memory, trainable parameters, size of what is written.

Every run is a process of its own with an empty activation store. Parts merge: results/methods.json keeps one
record for each data set, method, number of rows and seed. Without --methods the ten of the table run; `rest`
stands for all others, which are compared on a few rows.

python benchmarks/methods.py --data movies --methods head lora --seeds 0
python benchmarks/methods.py --data movies --methods head rest --seeds 0 --rows 300
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frontier import MAX_LENGTH, RESULTS, deal, machine

FILE = RESULTS / "methods.json"
SETS = ("movies", "products", "tweets")
TEN = ("head", "side", "bitfit", "lora", "dora", "ia3", "prefix_tuning", "adapter", "loreft", "full")
BEYOND_TEN = -3.0  # points against head that the other methods may lose
SIZES = {"train": 1000, "test": 1000, "valid": 200, "held": 1000}


def write_rows(data: str, folder: Path, num_train: int = SIZES["train"]) -> dict[str, Path]:
    """train, test, valid (chooses the epoch) and held (for searches) of a data set, no row in two of them.

    Fewer rows to train on are the first of the thousand, so that the other files stay what they are.
    """
    files = dict(zip(SIZES, deal(data, folder, SIZES, are_unique=True), strict=True))
    if num_train < SIZES["train"]:
        [files["train"]] = deal(data, folder, {"train": num_train}, are_unique=True)
    return files


def run(train: Path, valid: Path, test: Path, options: list[str], threads: int) -> dict[str, Any]:
    """One `lightune train` process: {accuracy, low, high, seconds, ...}, or {error, seconds}."""
    from lightune.core.paths import cache_folder

    known = cache_folder()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "models").symlink_to(known / "models")
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "LIGHTUNE_CACHE": name}
        command = [sys.executable, "-m", "lightune", "train", str(train), "--test", str(test), "--json"]
        command += ["--validation", str(valid), "--quiet", "--data.max-length", str(MAX_LENGTH)]
        command += ["--model", "minilm", "--data.long", "truncate", "--output", str(place / "run"), *options]
        began = time.perf_counter()
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        if ended.returncode:
            return {"error": ended.stderr.strip().splitlines()[-2:], "seconds": seconds}
        weights = [one for one in (place / "run").glob("*.safetensors") if one.stem != "familiar"]
        size = sum(one.stat().st_size for one in weights)
    said = json.loads(ended.stdout.strip().splitlines()[-1])
    low, high = said["intervals"]["test"]["accuracy"]
    return {
        "accuracy": said["metrics"]["test"]["accuracy"],
        "low": low,
        "high": high,
        "validation_accuracy": said["metrics"]["validation"]["accuracy"],
        "epochs": len(said["epochs"]),
        "seconds": seconds,
        "training_seconds": said["seconds"]["train"],
        "peak_memory_bytes": said["peak_memory_bytes"],
        "trainable_parameters": said["trainable_parameters"],
        "size_bytes": size,
    }


def every_method() -> list[str]:
    """All methods that a training can start with."""
    command = [sys.executable, "-m", "lightune", "models", "methods", "--json"]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return [one["name"] for one in said["methods"]]


def means_of(records: list[dict[str, Any]], data: str, rows: int) -> dict[str, dict[str, float]]:
    """Method -> means over its seeds, and their number, of one data set; the most accurate first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in records:
        if (one["data"], one["rows"]) == (data, rows) and "accuracy" in one:
            groups.setdefault(one["method"], []).append(one)
    keys = ("accuracy", "low", "high", "seconds", "peak_memory_bytes", "trainable_parameters", "size_bytes")
    means = {
        name: {key: statistics.mean(one[key] for one in found) for key in keys} | {"seeds": len(found)}
        for name, found in groups.items()
    }
    return dict(sorted(means.items(), key=lambda item: -item[1]["accuracy"]))


def show(records: list[dict[str, Any]], data: str, rows: int) -> None:
    """The table of one data set: means over seeds, accuracy against head and full."""
    means = means_of(records, data, rows)
    print(f"{data}, {rows} rows: means; points of accuracy against head, against full")
    for name, mean in means.items():
        against = "".join(
            f"{100 * (mean['accuracy'] - means[other]['accuracy']):+7.1f}" if other in means else "       "
            for other in ("head", "full")
        )
        print(
            f"  {name:16}{mean['accuracy']:.4f}{against} {mean['seconds']:6.1f} s"
            f" {mean['peak_memory_bytes'] / 1e6:6.0f} MB {mean['trainable_parameters']:11,.0f} trained"
            f" {mean['size_bytes'] / 1e6:7.2f} MB written  ({mean['seeds']} seeds)"
        )


def main() -> None:
    """Run what was asked for, merge, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--methods", nargs="*", default=list(TEN))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", type=int, default=SIZES["train"])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    wanted = [name for name in asked.methods if name != "rest"]
    if "rest" in asked.methods:
        wanted += [name for name in every_method() if name not in (*TEN, *wanted)]
    records: list[dict[str, Any]] = json.loads(FILE.read_text("utf-8")) if FILE.exists() else []
    sizes = {"test_rows": SIZES["test"], "validation_rows": SIZES["valid"], "threads": asked.threads}
    for data in asked.data:
        with tempfile.TemporaryDirectory() as folder:
            files = write_rows(data, Path(folder), asked.rows)
            for seed in asked.seeds:
                for method in wanted:
                    key = {"data": data, "method": method, "rows": asked.rows, "seed": seed}
                    options = ["--method", method, "--seed", str(seed)]
                    found = run(files["train"], files["valid"], files["test"], options, asked.threads)
                    records = [one for one in records if any(one[name] != key[name] for name in key)]
                    records.append({**key, **sizes, **found, **machine()})
                    FILE.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
                    print(data, method, seed, found.get("accuracy", found.get("error")), flush=True)
        show(records, data, asked.rows)


if __name__ == "__main__":
    main()
