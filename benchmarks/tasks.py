"""Every task on real data: what a run reaches, with its interval, beside the untouched model or a simple one.

Parts merge: results/tasks.json keeps one record for each part, method and seed. A part is a process of
`lightune train` with the defaults of its task, on the rows that the seed draws.

python benchmarks/tasks.py brown people-daily en-fr en-zh chatterbot
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import decoder
from benchmarks.frontier import RESULTS, machine

FILE = RESULTS / "tasks.json"
HELD_OUT = ("ch06", "ch11")  # chapters of the Debian Reference that training never sees
LONGEST = 260  # characters of an English paragraph
Files = tuple[Path, Path]


@dataclass(frozen=True)
class Part:
    """One row of the table.

    Attributes:
        task, data, model: as `lightune train` knows them.
        metric: what the run is judged by.
        beside: the rung that it is held against: the untouched model, or the best simple one.
        write: (folder, seed) -> train and test file.
        flags: what is not the default.
    """

    task: str
    data: str
    model: str
    metric: str
    beside: str
    write: Callable[[Path, int], Files]
    flags: tuple[str, ...] = ()


def tagged(data: str) -> Callable[[Path, int], Files]:
    """Writes 3,000 sentences to train on and 2,000 others."""

    def write(folder: Path, seed: int) -> Files:
        from lightune.core.progress import Show
        from lightune.data.bundled import bundled

        source = bundled(data, Show(is_quiet=True)).read_text(encoding="utf-8")
        sentences = [one for one in source.split("\n\n") if one.strip()]
        random.Random(seed).shuffle(sentences)
        files = folder / "train.conll", folder / "test.conll"
        for file, part in zip(files, (sentences[:3000], sentences[3000:5000]), strict=True):
            file.write_text("\n\n".join(part) + "\n", encoding="utf-8")
        return files

    return write


def translated(code: str) -> Callable[[Path, int], Files]:
    """Writes 450 paragraphs to train on, and 50 of two chapters that are in no training row."""

    def write(folder: Path, seed: int) -> Files:
        rows = _rows(f"debian-en-{code}")
        random.Random(seed).shuffle(rows)
        kept = [row for row in rows if row["en"] != row[code] and 20 < len(row["en"]) < LONGEST]
        test = [row for row in kept if row["chapter"] in HELD_OUT][:50]
        asked = {row["en"].lower() for row in test}
        train = [row for row in kept if row["chapter"] not in HELD_OUT and row["en"].lower() not in asked]
        files = folder / "train.csv", folder / "test.csv"
        for file, part in zip(files, (train[:450], test), strict=True):
            with file.open("w", newline="", encoding="utf-8") as stream:
                csv.writer(stream).writerows([("en", code), *((row["en"], row[code]) for row in part)])
        return files

    return write


def _rows(data: str) -> list[dict[str, str]]:
    from lightune.core.progress import Show
    from lightune.data.bundled import bundled

    with bundled(data, Show(is_quiet=True)).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


WRITING = ("--method", "lora", "--train.epochs", "4")
PARTS = {
    "brown": Part("tag", "brown", "minilm", "accuracy", "word_tags", tagged("brown"), ("--method", "lora")),
    "people-daily": Part(
        "tag",
        "people-daily",
        "e5-multilingual",
        "f1",
        "word_tags",
        tagged("people-daily"),
        ("--method", "lora"),
    ),
    "en-fr": Part(
        "translate", "debian-en-fr", "smollm2", "chrf", "untouched model", translated("fr"), WRITING
    ),
    "en-zh": Part(
        "translate", "debian-en-zh", "smollm2", "chrf", "untouched model", translated("zh"), WRITING
    ),
    "chatterbot": Part(
        "instruct",
        "chatterbot",
        "smollm2",
        "perplexity",
        "untouched model",
        lambda folder, seed: decoder.write_parts(folder),
        ("--method", "lora", "--train.epochs", "2"),
    ),
}


def run(part: Part, seed: int) -> dict[str, Any]:
    """One process: the metric of the run and of what it is held against, with intervals; seconds."""
    with tempfile.TemporaryDirectory() as name:
        train, test = map(str, part.write(Path(name), seed))
        command = [sys.executable, "-m", "lightune", "train", train, "--test", test, "--task", part.task]
        command += ["--model", part.model, *part.flags, "--seed", str(seed), "--json", "--quiet"]
        began = time.perf_counter()
        ended = subprocess.run(
            [*command, "--output", f"{name}/run"], stdout=subprocess.PIPE, text=True, check=True
        )
        seconds = time.perf_counter() - began
    said = json.loads(ended.stdout)
    found: dict[str, Any] = {
        "metric": part.metric,
        **_figure(said["metrics"]["test"], said["intervals"]["test"], part.metric),
        "metrics": said["metrics"]["test"],
        "intervals": said["intervals"]["test"],
        "seconds": seconds,
        "peak_memory_bytes": said["peak_memory_bytes"],
        "plan": said["plan"],
    }
    rungs = {one["name"]: one for one in said["rungs"]}
    beside = rungs[part.beside]
    found["beside"] = {"name": part.beside, **_figure(beside["metrics"], beside["intervals"], part.metric)}
    return found


def _figure(metrics: dict[str, float], intervals: dict[str, Any], name: str) -> dict[str, float]:
    low, high = intervals[name]
    return {"value": metrics[name], "low": low, "high": high}


def show(records: list[dict[str, Any]]) -> None:
    """The table, one line a record."""
    for one in records:
        beside, low, high = one["beside"], one["low"], one["high"]
        line = f"{one['part']:13}{one['metric']:11} {one['value']:8.3f} [{low:.3f}, {high:.3f}]"
        line += f"  {beside['name']} {beside['value']:.3f} [{beside['low']:.3f}, {beside['high']:.3f}]"
        print(f"{line}  {one['seconds']:.0f} s  seed {one['seed']}")


def main() -> None:
    """Run what was asked for, merge, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    asked = parser.parse_args()
    for seed in asked.seeds:
        for name in asked.parts:
            part = PARTS[name]
            key = {"part": name, "seed": seed}
            found = run(part, seed)
            what = {"task": part.task, "data": part.data, "model": part.model, "flags": list(part.flags)}
            # another process may have added its part since
            records = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else []
            records = [one for one in records if any(one[field] != key[field] for field in key)]
            records.append({**key, **what, **found, **machine()})
            records.sort(key=lambda one: (one["part"], one["seed"]))
            FILE.write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            show([one for one in records if one["part"] == name])


if __name__ == "__main__":
    main()
