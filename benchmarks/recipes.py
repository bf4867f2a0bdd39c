"""The search for each method's default recipe: what training settings give on rows held out for searches.

The rows to train on and those that choose the epoch are those of benchmarks/methods.py; its test rows are
never read. A trial is settings of --train by name, and `head`; an empty one is the present recipe. Parts
merge: results/recipes.json keeps one record for each data set, method, number of rows, seed and trial.

python benchmarks/recipes.py --methods ia3 --trials epochs=3 learning_rate=2e-2,batch_rows=16
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frontier import MAX_LENGTH, RESULTS, machine
from benchmarks.methods import SETS, SIZES, write_rows

FILE = RESULTS / "recipes.json"


def try_out(method: str, files: dict[str, Path], trial: dict[str, str], seed: int) -> dict[str, Any]:
    """One training in this process: {accuracy on the held-out rows, seconds, ...}, or {error}."""
    from lightune.api import run_train
    from lightune.core.errors import UserError
    from lightune.core.progress import Show
    from lightune.request import Request

    settings = {name: value for name, value in trial.items() if name != "head"}
    with tempfile.TemporaryDirectory() as folder:
        request = Request(
            data=str(files["train"]),
            validation=str(files["valid"]),
            test=str(files["held"]),
            model="minilm",
            method=method,
            head=trial.get("head", "auto"),
            seed=seed,
            output=f"{folder}/run",
            groups={"train": settings, "data": {"max_length": MAX_LENGTH, "long": "truncate"}},
        )
        began = time.perf_counter()
        try:
            said = run_train(request, Show(is_quiet=True))
        except UserError as error:
            return {"error": error.problem}
        seconds = time.perf_counter() - began
    recipe = next(
        (one["value"] for one in said["decisions"] if one["what"] == "recipe"), "all settings given"
    )
    return {
        "accuracy": said["metrics"]["test"]["accuracy"],
        "by_epoch": [one["accuracy"] for one in said["epochs"]],
        "derived": recipe,
        "seconds": seconds,
    }


def read_trial(text: str) -> dict[str, str]:
    """`learning_rate=1e-2,head=mean` -> settings by name."""
    return dict(one.split("=", 1) for one in text.split(",") if one)


def show(records: list[dict[str, Any]], method: str, rows: int) -> None:
    """Every trial of a method: accuracy on each data set, best mean first."""
    trials: dict[str, dict[str, list[float]]] = {}
    for one in records:
        if (one["method"], one["rows"]) == (method, rows) and "accuracy" in one:
            name = " ".join(f"{key}={value}" for key, value in one["trial"].items()) or "the present recipe"
            trials.setdefault(name, {}).setdefault(one["data"], []).append(one["accuracy"])
    means = {
        name: {data: statistics.mean(found) for data, found in by_set.items()}
        for name, by_set in trials.items()
    }
    for name, by_set in sorted(means.items(), key=lambda item: -statistics.mean(item[1].values())):
        shown = "  ".join(f"{data} {value:.4f}" for data, value in sorted(by_set.items()))
        print(f"  {method}: {statistics.mean(by_set.values()):.4f}  {shown}  {name}")


def main() -> None:
    """Try out what was asked for, merge, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--methods", nargs="+", required=True)
    parser.add_argument("--trials", nargs="+", type=read_trial, default=[{}])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--rows", type=int, default=SIZES["train"])
    asked = parser.parse_args()
    records: list[dict[str, Any]] = json.loads(FILE.read_text("utf-8")) if FILE.exists() else []
    places = [(data, method) for method in asked.methods for data in asked.data]
    for data, method in places:
        with tempfile.TemporaryDirectory() as folder:
            files = write_rows(data, Path(folder), asked.rows)
            for trial, seed in [(trial, seed) for trial in asked.trials for seed in asked.seeds]:
                key = {"data": data, "method": method, "rows": asked.rows, "trial": trial, "seed": seed}
                found = try_out(method, files, trial, seed)
                records = [one for one in records if any(one[name] != key[name] for name in key)]
                records.append({**key, **found, **machine()})
                FILE.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
                print(data, method, trial, seed, found.get("accuracy", found.get("error")), flush=True)
    for method in asked.methods:
        show(records, method, asked.rows)


if __name__ == "__main__":
    main()
