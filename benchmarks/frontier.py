"""Accuracy against whole-process time: lightune's methods and its peers, on the same rows, in one run.

Every entry is a process of its own with an empty activation store and the same number of threads. Parts
merge: results/frontier.json keeps one record for each data set, entry, seed and kind of processor (with or
without bfloat16), and only records of one kind are held against each other.

python benchmarks/frontier.py --data movies --entries head side peft_lora --seeds 0
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
FILE = RESULTS / "frontier.json"
MODELS = {"movies": "minilm", "spam": "minilm", "reviews-zh": "e5-multilingual"}
MAX_LENGTH = 128
OURS: dict[str, list[str]] = {
    "head": ["--method", "head"],
    "side": ["--method", "side"],
    "side1": ["--method", "side", "--train.epochs", "1", "--train.batch-rows", "32"],
    "lora": ["--method", "lora"],
    "lora_half": ["--method", "lora", "--train.epochs", "0.5"],
    "lora_ff": ["--method", "lora", "--method.modules", "feed-forward"],
    "lora_ff_half": ["--method", "lora", "--method.modules", "feed-forward", "--train.epochs", "0.5"],
    "lora2": ["--method", "lora", "--train.epochs", "2"],
    "lora_mean": [
        *("--method", "lora", "--head", "mean"),
        *("--train.batch-rows", "32", "--train.learning-rate", "2e-3"),
    ],
    "lora3": ["--method", "lora", "--method.layers", "3"],
    "top3": ["--method", "full", "--method.layers", "3"],
    "full": ["--method", "full"],
    "auto": ["--method", "auto"],
}
# The adapters of so many runs, each with a seed of its own, added up into one (`lightune combine`).
SUMS = {"lora_sum3": ("lora", 3)}
# A run on data that an earlier one, with another seed, has read through the frozen part already.
SECOND = {"head_again": "head", "side_again": "side", "lora3_again": "lora3", "top3_again": "top3"}
PEERS = ("tfidf_lr", "frozen_lr", "peft_lora", "peft_lora_ours", "trainer_full")
USUAL = "peft_lora"


def write_parts(data: str, folder: Path, num_train: int, num_test: int) -> tuple[Path, Path]:
    """Shuffled rows of a bundled data set as train.csv and test.csv."""
    train, test = deal(data, folder, {"train": num_train, "test": num_test})
    return train, test


def deal(data: str, folder: Path, sizes: dict[str, int], *, are_unique: bool = False) -> list[Path]:
    """Shuffled rows of a bundled data set, dealt out to files: NAME.csv with its number of rows, in turn.

    `are_unique` leaves out texts that came before, but for case and spaces.
    """
    from lightune.core.progress import Show
    from lightune.data.bundled import bundled
    from lightune.data.read import read
    from lightune.data.settings import DataSettings

    source = str(bundled(data, Show(is_quiet=True)))
    rows = [(row.values["text"], row.values["label"]) for row in read(source, DataSettings()).train.rows]
    random.Random(0).shuffle(rows)
    if are_unique:
        rows = list({" ".join(str(row[0]).lower().split()): row for row in reversed(rows)}.values())[::-1]
    files = []
    for name, size in sizes.items():
        part, rows = rows[:size], rows[size:]
        files.append(folder / f"{name}.csv")
        with files[-1].open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([("text", "label"), *part])
    return files


def run_entry(entry: str, data: str, files: tuple[Path, Path], seed: int, threads: int) -> dict[str, Any]:
    """One process (of `SUMS`: several): {accuracy, seconds, peak_memory_bytes}, or {error, seconds}."""
    from lightune.core.paths import cache_folder

    train, test = map(str, files)
    known = cache_folder()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        if entry in PEERS:
            script = str(Path(__file__).with_name("peers.py"))
            place = str(known / "models" / MODELS[data])
            commands = [[sys.executable, script, entry, train, test, place, str(MAX_LENGTH), str(seed)]]
        else:
            environment["LIGHTUNE_CACHE"] = name
            (folder / "models").symlink_to(known / "models")
            commands = our_commands(entry, data, files, seed, folder)
        if entry in SECOND:
            before = [*commands[0], "--seed", str(seed + 1000)]
            subprocess.run(before, env=environment, capture_output=True, check=True)
        began = time.perf_counter()
        said = []
        for command in commands:
            ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if ended.returncode:
                error = ended.stderr.strip().splitlines()[-1:]
                return {"error": error, "seconds": time.perf_counter() - began}
            said.append(json.loads(ended.stdout.strip().splitlines()[-1]))
        seconds = time.perf_counter() - began
    return {**(said[-1] if entry in PEERS else told(said)), "seconds": seconds}


def our_commands(entry: str, data: str, files: tuple[Path, Path], seed: int, folder: Path) -> list[list[str]]:
    """The command lines of one of our entries, which write to `folder`."""
    train, test = map(str, files)
    program = [sys.executable, "-m", "lightune"]
    settings = ["--model", MODELS[data], "--data.max-length", str(MAX_LENGTH)]
    settings += ["--data.long", "truncate", "--json", "--quiet"]  # long texts as the peers do

    def training(flags: list[str], seed: int, name: str) -> list[str]:
        output = ["--seed", str(seed), "--output", str(folder / name), "--overwrite"]
        return [*program, "train", train, *settings, *flags, *output]

    if entry not in SUMS:
        return [training(["--test", test, *OURS[SECOND.get(entry, entry)]], seed, "run")]
    member, number = SUMS[entry]
    flags = ["--data.test-fraction", "0", *OURS[member]]
    members = [training(flags, seed + 1000 * place, f"run{place}") for place in range(number)]
    summed = [*program, "combine", *(str(folder / f"run{place}") for place in range(number))]
    evaluated = [*program, "evaluate", str(folder / "run"), test, "--json", "--quiet"]
    return [*members, [*summed, "--output", str(folder / "run"), "--json", "--quiet"], evaluated]


def told(said: list[dict[str, Any]]) -> dict[str, Any]:
    """What is kept of the objects that our processes printed, the last of which tested."""
    trained = [one for one in said if "plan" in one]
    test = said[-1]["metrics"]
    found = {
        "accuracy": test["test"]["accuracy"] if "test" in test else test["accuracy"]["value"],
        "training_seconds": sum(one["seconds"]["train"] for one in trained),
        "peak_memory_bytes": max(one["peak_memory_bytes"] for one in trained),
    }
    if len(said) > 1:
        return found
    plan = said[0]["plan"]
    return {**found, "plan_seconds_error": plan["seconds_error"], "plan_memory_error": plan["memory_error"]}


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    head = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(head, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "commit": commit,
        "date": date.today().isoformat(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "bfloat16": "avx512_bf16" in flags or "amx_bf16" in flags,
    }


def show(records: list[dict[str, Any]], data: str, has_bfloat16: bool) -> None:
    """The table of one data set: medians over seeds, time and memory against the usual peer."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in records:
        if one["data"] == data and one["bfloat16"] == has_bfloat16 and "accuracy" in one:
            groups.setdefault(one["entry"], []).append(one)
    keys = ("accuracy", "seconds", "peak_memory_bytes")
    middle = {
        entry: [statistics.median(one[key] for one in found) for key in keys]
        for entry, found in groups.items()
    }
    usual = middle.get(USUAL)
    print(f"{data}: medians; times and memory against {USUAL}")
    for entry, (accuracy, seconds, memory) in sorted(middle.items(), key=lambda item: item[1][1]):
        against = f"{usual[1] / seconds:5.1f}x less  {memory / usual[2]:4.2f}x memory" if usual else ""
        line = f"  {entry:16}{accuracy:.4f} {seconds:7.1f} s {memory / 1e6:6.0f} MB  {against}"
        print(f"{line}  ({len(groups[entry])} seeds)")


def main() -> None:
    """Run what was asked for, merge, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--entries", nargs="*", default=[*OURS, *SUMS, *SECOND, *PEERS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--test-rows", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    records: list[dict[str, Any]] = json.loads(FILE.read_text()) if FILE.exists() else []
    here = machine()
    sizes = {"rows": asked.rows, "test_rows": asked.test_rows, "threads": asked.threads}
    for data in asked.data:
        with tempfile.TemporaryDirectory() as folder:
            files = write_parts(data, Path(folder), asked.rows, asked.test_rows)
            for seed in asked.seeds:
                for entry in asked.entries:
                    key = {"data": data, "entry": entry, "seed": seed, "bfloat16": here["bfloat16"]}
                    found = run_entry(entry, data, files, seed, asked.threads)
                    records = [one for one in records if any(one[name] != key[name] for name in key)]
                    records.append({**key, **sizes, **found, **here})
                    FILE.write_text(json.dumps(records, indent=1) + "\n")
                    print(entry, seed, found.get("accuracy", found.get("error")), flush=True)
        show(records, data, here["bfloat16"])


if __name__ == "__main__":
    main()
