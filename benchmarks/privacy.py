"""What private training costs and what it hides: whole processes, membership attacks, canaries.

Parts merge: results/privacy.json keeps one record for each part and method. `time` wants a quiet machine.

python benchmarks/privacy.py audit --methods head side
python benchmarks/privacy.py canaries --methods lora
python benchmarks/privacy.py time --methods head side
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

from benchmarks import decoder
from benchmarks.frontier import RESULTS, machine, write_parts

FILE = RESULTS / "privacy.json"
PRIVATE = ("--privacy.epsilon", "8")
MOVIES = ("--model", "minilm", "--data.max-length", "128", "--data.long", "truncate")


def lightune(*words: str | Path, cache: Path | None = None) -> dict[str, Any]:
    """The object that a command prints; `seconds_of_process` is added."""
    environment = dict(os.environ)
    if cache is not None:
        environment["LIGHTUNE_CACHE"] = str(cache)
    command = [sys.executable, "-m", "lightune", *map(str, words), "--json", "--quiet"]
    began = time.perf_counter()
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(ended.stdout)
    return {**found, "seconds_of_process": time.perf_counter() - began}


def costs(method: str) -> dict[str, Any]:
    """Seconds of whole processes on 8,000 movie sentences, nothing read before, and their ratio."""
    from lightune.core.paths import cache_folder

    known, found = cache_folder(), {}
    for name, more in (("usual", ()), ("private", PRIVATE)):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "models").symlink_to(known / "models")
            data, _ = write_parts("movies", Path(folder), 8000, 0)
            words = ("train", data, *MOVIES, "--method", method, *more, "--output", f"{folder}/run")
            said = lightune(*words, cache=Path(folder))
        found[name] = {
            "accuracy": said["metrics"]["test"]["accuracy"],
            "interval": said["intervals"]["test"]["accuracy"],
            "seconds": said["seconds_of_process"],
            "training_seconds": said["seconds"]["train"],
        }
    return {**found, "ratio": found["private"]["seconds"] / found["usual"]["seconds"]}


def audits(method: str) -> dict[str, Any]:
    """Attacks on two runs on 2,000 movie sentences, half of them held out: usual and private."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, _ = write_parts("movies", folder, 2000, 0)
        halves = ("--data.test-fraction", "0.5", "--data.validation-fraction", "0")
        for run, more in (("usual", ()), ("private", PRIVATE)):
            words = ("train", data, *MOVIES, *halves, "--method", method, *more)
            lightune(*words, "--output", folder / run)
        said = lightune("audit", folder / "usual", folder / "private", data)
    return {Path(one["run"]).name: one for one in said["runs"]}


def canaries(method: str) -> dict[str, Any]:
    """SmolLM2's top layers on 400 of ChatterBot's replies and 40 secrets: their exposure in bits."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, _ = decoder.write_parts(folder)
        some = folder / "some.jsonl"
        lines = data.read_text(encoding="utf-8").splitlines()
        some.write_text("\n".join(lines[:400]) + "\n", encoding="utf-8")
        halves = ("--data.test-fraction", "0.4", "--data.validation-fraction", "0")
        words = ("train", some, "--task", "instruct", "--model", decoder.MODEL, "--method", method, *halves)
        more = ("--method.layers", "4", "--train.epochs", "8", "--privacy.canaries", "40")
        found = {}
        for run, private in (("usual", ()), ("private", PRIVATE)):
            said = lightune(*words, *more, *private, "--output", folder / run)
            [found[run]] = lightune("audit", folder / run, "--canaries")["runs"]
            found[run]["perplexity"] = said["metrics"]["test"]["perplexity"]
    return found


PARTS = {"time": costs, "audit": audits, "canaries": canaries}


def main() -> None:
    """Run what was asked for, merge, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--methods", nargs="+", default=["head", "side"])
    asked = parser.parse_args()
    for method in asked.methods:
        found = PARTS[asked.part](method)
        key = {"part": asked.part, "method": method}
        records = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else []
        records = [one for one in records if any(one[name] != key[name] for name in key)]
        records.append({**key, **found, **machine()})
        records.sort(key=lambda one: (one["part"], one["method"]))
        FILE.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
        print(method, json.dumps(found, indent=1), flush=True)


if __name__ == "__main__":
    main()
