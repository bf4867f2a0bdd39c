"""Accuracy against the time a person waits: whole processes, interpreter start included, ours and peers'.

Every entry is a process of its own with the same number of threads. Ours start with an empty activation
store, hold a tenth of the training rows out, and also test two baselines, draw a report and save; peers
train on all rows and only test. Parts are merged by data, entry and seed into results/frontier.json.
Run: `.venv/bin/python benchmarks/frontier.py --data movies --entries head lora peft_lora --seeds 0 1 2`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
OURS: dict[str, list[str]] = {
    "head": ["--method", "head"],
    "side": ["--method", "side"],
    "lora1": ["--method", "lora", "--train.epochs", "1"],
    "lora": ["--method", "lora"],
    "full": ["--method", "full"],
    "top3": ["--method", "full", "--method.layers", "3"],
    "auto": ["--method", "auto"],
}
PEERS = ("tfidf_lr", "setfit_head", "peft_lora", "peft_lora_ours", "trainer_full")
Record = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """One data set: which model reads it, and where texts are cut (None: ours derives it, peers 512)."""

    model: str
    max_length: int | None = None


@dataclass(frozen=True)
class Part:
    """One entry to run on files that are there."""

    data: str
    entry: str
    seed: int
    train: Path
    test: Path


SUBJECTS = {
    "movies": Subject("minilm"),
    "spam": Subject("minilm"),
    "reviews-zh": Subject("e5-multilingual", 128),
}


def write_data(name: str, folder: Path, num_train: int, num_test: int) -> tuple[Path, Path]:
    """Shuffled `text,label` files to train and test on; a repeated text is kept once, so none is in both."""
    from lightune.core.progress import Show
    from lightune.data.bundled import bundled

    csv.field_size_limit(10_000_000)
    with bundled(name, Show(is_quiet=True)).open(encoding="utf-8", newline="") as stream:
        labels: dict[str, str] = {}
        for row in csv.DictReader(stream):
            labels.setdefault(row["text"], row["label"])
    rows = list(labels.items())
    random.Random(0).shuffle(rows)
    files = folder / f"{name}-train.csv", folder / f"{name}-test.csv"
    parts = rows[:num_train], rows[num_train : num_train + num_test]
    for file, part in zip(files, parts, strict=True):
        with file.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([("text", "label"), *part])
    return files


def model_folder(name: str) -> Path:
    """Where the model is; it is fetched when it is not there."""
    program = [sys.executable, "-m", "lightune", "models"]
    subprocess.run([*program, "get", name, "--quiet"], stdout=subprocess.DEVNULL, check=True)
    found = subprocess.run([*program, "path", name], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip())


def command(part: Part, work: Path, model: Path, budget: str | None) -> list[str]:
    """The command line of an entry."""
    subject, seed = SUBJECTS[part.data], ["--seed", str(part.seed)]
    files = [str(part.train), str(part.test)]
    cut = [] if subject.max_length is None else [str(subject.max_length)]
    if part.entry in PEERS:
        length = ["--max-length", *cut] if cut else []
        program = [sys.executable, "-m", f"benchmarks.peers.{part.entry}"]
        return [*program, *files, "--model", str(model), *seed, *length]
    length = ["--data.max-length", *cut] if cut else []
    limit = ["--budget", budget] if budget and part.entry == "auto" else []
    program = [sys.executable, "-m", "lightune", "train", files[0], "--test", files[1]]
    kept = ["--json", "--quiet", "--output", str(work / "run")]
    return [*program, "--model", subject.model, *OURS[part.entry], *seed, *length, *limit, *kept]


def environment(work: Path, model: Path, threads: int) -> dict[str, str]:
    """A cache folder that holds the models and nothing else; no network."""
    cache = work / "cache"
    cache.mkdir()
    (cache / "models").symlink_to(model.parent)
    chosen = {"OMP_NUM_THREADS": str(threads), "LIGHTUNE_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    return {**os.environ, **chosen, "TOKENIZERS_PARALLELISM": "true", "PYTHONWARNINGS": "ignore"}


def measure(part: Part, given: argparse.Namespace) -> Record | None:
    """Run one entry; None, with a line that says why, when it fails."""
    model = model_folder(SUBJECTS[part.data].model)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        variables = environment(work, model, given.peer_threads)
        program = command(part, work, model, given.budget)
        began = time.perf_counter()
        try:
            done = subprocess.run(
                program,
                cwd=ROOT,
                env=variables,
                capture_output=True,
                text=True,
                timeout=given.limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            print(f"skipped {part.data} {part.entry} seed {part.seed}: over {given.limit:.0f} s")
            return None
        seconds = time.perf_counter() - began
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"skipped {part.data} {part.entry} seed {part.seed}: exit {done.returncode}: {why}")
        return None
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return _record(part, result, seconds, given)


def _record(part: Part, result: dict[str, Any], seconds: float, given: argparse.Namespace) -> Record:
    from benchmarks.peers.machine import describe

    is_ours = part.entry in OURS
    num_train, num_test = _count(part.train), _count(part.test)
    accuracy = result["metrics"]["test"]["accuracy"] if is_ours else result["accuracy"]
    low, high = interval(accuracy, num_test)
    record = {
        "data": part.data,
        "entry": part.entry,
        "seed": part.seed,
        "is_ours": is_ours,
        "model": SUBJECTS[part.data].model,
        "train_rows": num_train,
        "test_rows": num_test,
        "threads": given.peer_threads,
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "seconds": seconds,
        "seconds_inside": result["seconds"]["total"] if is_ours else result["seconds_inside"],
        "peak_memory_bytes": result["peak_memory_bytes"],
    }
    if is_ours:
        record["method"] = result["method"]
        record["parts"] = result["seconds"]
    if part.entry == "auto":
        record["budget"] = given.budget
    if "by" in result:
        record["by"] = result["by"]
    return record | describe()


def _count(file: Path) -> int:
    with file.open(encoding="utf-8", newline="") as stream:
        return sum(1 for _ in csv.DictReader(stream))


def interval(accuracy: float, num_rows: int) -> tuple[float, float]:
    """The 95% bootstrap interval: drawing right and wrong rows again is drawing their number, a binomial."""
    import numpy as np

    draws = np.random.default_rng(0).binomial(num_rows, accuracy, size=10_000) / num_rows
    low, high = np.percentile(draws, (2.5, 97.5))
    return float(low), float(high)


def key(record: Record) -> tuple[str, str, int]:
    """What makes a result the same one, measured again."""
    return record["data"], record["entry"], record["seed"]


def load(file: Path) -> dict[tuple[str, str, int], Record]:
    """The results that are there."""
    records = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return {key(record): record for record in records}


def save(file: Path, known: dict[tuple[str, str, int], Record]) -> None:
    """All results, one a line, so that a change shows which one it is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(known[name]) for name in sorted(known))
    work = file.with_suffix(".part")
    work.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    work.replace(file)


def summarize(records: list[Record]) -> list[Record]:
    """One line a data set and entry: medians over the seeds, the interval at the median accuracy."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record["data"], record["entry"]), []).append(record)
    lines = []
    for (data, entry), group in groups.items():
        middle = {
            name: statistics.median(record[name] for record in group)
            for name in ("accuracy", "seconds", "peak_memory_bytes")
        }
        low, high = interval(middle["accuracy"], min(record["test_rows"] for record in group))
        kept = {"data": data, "entry": entry, "is_ours": group[0]["is_ours"], "low": low, "high": high}
        lines.append({**kept, **middle, "num_seeds": len(group)})
    return sorted(lines, key=lambda line: (line["data"], line["seconds"]))


def print_table(lines: list[Record]) -> None:
    """The table, quickest first."""
    print("\n| data | entry | accuracy | 95% interval | seconds | peak GB | seeds |")
    print("|---|---|---|---|---|---|---|")
    for line in lines:
        name = f"**{line['entry']}**" if line["is_ours"] else line["entry"]
        print(
            f"| {line['data']} | {name} | {line['accuracy']:.4f} | {line['low']:.3f} to {line['high']:.3f} "
            f"| {line['seconds']:.1f} | {line['peak_memory_bytes'] / 1e9:.2f} | {line['num_seeds']} |"
        )


def draw(lines: list[Record], file: Path) -> None:
    """Accuracy against seconds, one field a data set; ours in blue discs, peers in orange squares."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = sorted({line["data"] for line in lines})
    figure, fields = pyplot.subplots(1, len(names), figsize=(6 * len(names), 4.5), squeeze=False)
    for name, field in zip(names, fields[0], strict=True):
        for line in (one for one in lines if one["data"] == name):
            color, marker = ("tab:blue", "o") if line["is_ours"] else ("tab:orange", "s")
            error = [[max(0, line["accuracy"] - line["low"])], [max(0, line["high"] - line["accuracy"])]]
            place = line["seconds"], line["accuracy"]
            field.errorbar(*place, yerr=error, fmt=marker, color=color, capsize=2, alpha=0.8)
            field.annotate(line["entry"], place, xytext=(5, 4), textcoords="offset points", fontsize=8)
        field.set_xscale("log")
        field.set(title=name, xlabel="seconds, whole process", ylabel="test accuracy, 95% interval")
        field.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(file, dpi=120)


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--entries", nargs="+", choices=[*OURS, *PEERS], default=[*OURS, *PEERS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", type=int, default=4000, help="rows to train on")
    parser.add_argument("--test-rows", type=int, default=2000)
    parser.add_argument("--peer-threads", type=int, default=2, help="threads of every process, ours too")
    parser.add_argument("--budget", help="for the entry auto, like 5m")
    parser.add_argument("--limit", type=float, default=3600, help="seconds after which an entry is skipped")
    parser.add_argument("--missing", action="store_true", help="run only what has no result yet")
    parser.add_argument("--only-table", action="store_true", help="run nothing; table and plot again")
    parser.add_argument("--results", type=Path, default=RESULTS, help="another folder, to try it out")
    return parser.parse_args()


def main() -> None:
    """Run the parts, saving after each; then the table and the plot of all results."""
    sys.path.insert(0, str(ROOT))  # for benchmarks.peers: a script sees only its own folder
    given = arguments()
    file = given.results / "frontier.json"
    with tempfile.TemporaryDirectory() as name:
        for data in () if given.only_table else given.data:
            train, test = write_data(data, Path(name), given.rows, given.test_rows)
            parts = [Part(data, entry, seed, train, test) for seed in given.seeds for entry in given.entries]
            for part in parts:
                if given.missing and (part.data, part.entry, part.seed) in load(file):
                    continue
                record = measure(part, given)
                if record is not None:
                    save(file, {**load(file), key(record): record})
                    print(f"{data} {part.entry} seed {part.seed}: ", end="")
                    print(f"{record['accuracy']:.4f} in {record['seconds']:.1f} s", flush=True)
    lines = summarize(list(load(file).values()))
    if lines:
        print_table(lines)
        draw(lines, given.results / "frontier.png")


if __name__ == "__main__":
    main()
