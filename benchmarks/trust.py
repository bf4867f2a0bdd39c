"""How far a run can be believed: calibration, the alarm, label errors, explanations, other domains.

Movies, 4,000 sentences to train on and 2,000 to test, MiniLM. Parts merge: results/trust.json keeps one
record for each part and method.

python benchmarks/trust.py belief --methods head side lora
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frontier import RESULTS, machine, write_parts
from lightune.core.progress import Show

FILE = RESULTS / "trust.json"
OTHERS = ("reviews-zh", "spam", "tweets", "products", "news")
OTHER_ROWS = 600


def texts_of(data: str, number: int) -> list[str]:
    """The first texts of a bundled data set, shuffled."""
    import csv

    with tempfile.TemporaryDirectory() as folder:
        file, _ = write_parts(data, Path(folder), number, 0)
        with file.open(encoding="utf-8", newline="") as stream:
            return [row["text"] for row in csv.DictReader(stream)]


def train(train_file: Path, test_file: Path, output: Path, method: str, *more: str) -> dict[str, Any]:
    """The object of `lightune train`, in this process."""
    from lightune.api import run_train
    from lightune.request import Request

    groups = {"data": {"max_length": "128", "long": "truncate"}}
    for name, value in zip(more[::2], more[1::2], strict=True):
        group, _, field = name.partition(".")
        groups.setdefault(group, {})[field] = value
    asked = {"test": str(test_file), "model": "minilm", "method": method, "output": str(output)}
    return run_train(Request(data=str(train_file), groups=groups, **asked), Show(is_quiet=True))  # type: ignore[arg-type]


def belief(method: str) -> dict[str, Any]:
    """Calibration errors of the test rows, and how well the alarm tells other texts from them (AUROC)."""
    from sklearn.metrics import roc_auc_score

    from lightune.run import load

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_parts("movies", folder, 4000, 2000)
        said = train(*files, folder / "run", method)
        run = load(folder / "run")
        own = run.strangeness([(text,) for text in _texts(files[1])])
        alarm = {}
        for other in OTHERS:
            found = run.strangeness([(text,) for text in texts_of(other, OTHER_ROWS)])
            is_other = np.repeat([0, 1], [len(own), len(found)])
            alarm[other] = {
                "auroc": float(roc_auc_score(is_other, np.concatenate([own, found]))),
                "share_beyond": float((found > 1).mean()),
            }
        alarm["movies"] = {"auroc": 0.5, "share_beyond": float((own > 1).mean())}
    return {
        "accuracy": said["metrics"]["test"]["accuracy"],
        "seconds": said["seconds"],
        "calibration": said["calibration"],
        "alarm": alarm,
    }


def _texts(file: Path) -> list[str]:
    import csv

    with file.open(encoding="utf-8", newline="") as stream:
        return [row["text"] for row in csv.DictReader(stream)]


PARTS = {"belief": belief}


def keep(part: str, name: str, found: dict[str, Any]) -> None:
    """Put a record into the results; one of the same part and name goes."""
    records = json.loads(FILE.read_text()) if FILE.exists() else []
    records = [one for one in records if (one["part"], one["name"]) != (part, name)]
    records.append({"part": part, "name": name, **machine(), **found})
    FILE.write_text(json.dumps(sorted(records, key=lambda one: (one["part"], one["name"])), indent=1) + "\n")


def main() -> None:
    """Run the part asked for, for each method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--methods", nargs="+", default=["head"])
    asked = parser.parse_args()
    for name in asked.methods:
        found = PARTS[asked.part](name)
        keep(asked.part, name, found)
        print(name, json.dumps(found, indent=1), flush=True)


if __name__ == "__main__":
    main()
