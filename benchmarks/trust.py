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
SEEDS = (0, 1, 2)  # of training: one says too little about what a hundred labels change


def texts_of(data: str, number: int) -> list[str]:
    """The first texts of a bundled data set, shuffled."""
    import csv

    with tempfile.TemporaryDirectory() as folder:
        file, _ = write_parts(data, Path(folder), number, 0)
        with file.open(encoding="utf-8", newline="") as stream:
            return [row["text"] for row in csv.DictReader(stream)]


def train(
    train_file: Path, test_file: Path, output: Path, method: str, *more: str, seed: int = 0
) -> dict[str, Any]:
    """The object of `lightune train`, in this process."""
    from lightune.api import run_train
    from lightune.request import Request

    groups = {"data": {"max_length": "128", "long": "truncate"}}
    for name, value in zip(more[::2], more[1::2], strict=True):
        group, _, field = name.partition(".")
        groups.setdefault(group, {})[field] = value
    asked = {"test": str(test_file), "model": "minilm", "method": method, "output": str(output)}
    request = Request(data=str(train_file), groups=groups, seed=seed, **asked)  # type: ignore[arg-type]
    return run_train(request, Show(is_quiet=True))


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


def flipped_movies(folder: Path, seed: str) -> tuple[Path, Path, Any]:
    """4,000 sentences with 5% of the labels flipped (of `clean` none), 6,000 as they are, and which are."""
    import csv

    train_file, test_file = write_parts("movies", folder, 4000, 6000)
    with train_file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    wrong = np.zeros(len(rows), dtype=bool)
    if seed != "clean":
        wrong[np.random.default_rng(int(seed)).permutation(len(rows))[: len(rows) // 20]] = True
    other, flipped = {"pos": "neg", "neg": "pos"}, folder / "flipped.csv"
    with flipped.open("w", encoding="utf-8", newline="") as stream:
        lines = [
            (row["text"], other[row["label"]] if is_wrong else row["label"])
            for row, is_wrong in zip(rows, wrong, strict=True)
        ]
        csv.writer(stream).writerows([("text", "label"), *lines])
    return flipped, test_file, wrong


def labels(seed: str) -> dict[str, Any]:
    """5% of the labels flipped: how well `check --deep` finds them, and what training without them brings."""
    import time

    from sklearn.metrics import average_precision_score

    from lightune.request import Request
    from lightune.steps.deep import look_deeper

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flipped, test_file, wrong = flipped_movies(folder, seed)
        began = time.perf_counter()
        asked = Request(data=str(flipped), model="minilm")
        deep = look_deeper(asked, str(folder / "found.csv"), Show(is_quiet=True))["deep"]
        found: dict[str, Any] = {
            "seconds": time.perf_counter() - began,
            "flagged_share": deep["flagged_share"],
            "counts": deep["counts"],
            "network": f"{deep['network']} in {deep['folds']} folds",
        }
        if seed == "clean":
            return found
        score, is_found = np.zeros(len(wrong)), np.zeros(len(wrong), dtype=bool)
        for one in deep["findings"]:
            if one["kind"] in ("label_error", "doubtful_label"):
                score[one["row"]] = one["score"]
                is_found[one["row"]] = one["kind"] == "label_error"
        found |= {
            "average_precision": float(average_precision_score(wrong, score)),
            "average_precision_of_errors": float(average_precision_score(wrong, score * is_found)),
            "precision": float(wrong[is_found].mean()),
            "recall": float(is_found[wrong].mean()),
        }
        print(seed, found, flush=True)
        lists = {"accuracy": (), "accuracy_without": ("data.exclude", str(folder / "found.csv"))}
        for method in ("head", "lora"):
            found[method] = {
                name: [
                    train(flipped, test_file, folder / f"{method}-{name}-{one}", method, *more, seed=one)[
                        "metrics"
                    ]["test"]["accuracy"]
                    for one in SEEDS
                ]
                for name, more in lists.items()
            }
            print(seed, method, found[method], flush=True)
    return found


def gains(records: list[dict[str, Any]]) -> None:
    """What leaving findings out changes, all flips and seeds together, with the interval of their mean."""
    for method in ("head", "lora"):
        known = [one[method] for one in records if one["part"] == "labels" and method in one]
        pairs = [np.subtract(one["accuracy_without"], one["accuracy"]) for one in known]
        if not pairs:
            return
        gain = np.concatenate(pairs)
        error = 1.96 * float(gain.std(ddof=1)) / len(gain) ** 0.5
        print(f"{method}: {gain.mean():+.4f} (+- {error:.4f}, {len(gain)} pairs of trainings)")


def words(method: str) -> dict[str, Any]:
    """100 test texts explained: completeness, deletion against random orders, seconds."""
    from lightune.data.settings import DataSettings
    from lightune.steps.explain import Wanted, explain

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_parts("movies", folder, 4000, 2000)
        train(*files, folder / "run", method)
        asked = Wanted(data=str(files[1]), limit=100)
        said = explain(folder / "run", asked, DataSettings(), Show(is_quiet=True))["texts"]
    faithful = [one["faithfulness"] for one in said]
    gain = np.array([one["score"] for one in faithful])
    error = 1.96 * float(gain.std(ddof=1)) / len(gain) ** 0.5
    return {
        "texts": len(said),
        "complete_share": float(np.mean([one["completeness_error"] <= 0.01 for one in said])),
        "largest_completeness_error": max(one["completeness_error"] for one in said),
        **{
            name: float(np.mean([one[name] for one in faithful]))
            for name in ("deletion", "random_deletion", "insertion", "random_insertion", "beaten")
        },
        "faithfulness": {
            "value": float(gain.mean()),
            "low": gain.mean() - error,
            "high": gain.mean() + error,
        },
        "seconds": {
            "median": float(np.median([one["seconds"] for one in said])),
            "largest": max(one["seconds"] for one in said),
        },
    }


def planted(method: str) -> dict[str, Any]:
    """Synthetic: movie sentences whose label is which of two words was planted; is that word the reason?"""
    import csv
    import random

    from lightune.data.settings import DataSettings
    from lightune.steps.explain import Wanted, explain

    chance, sets = random.Random(0), {"pos": "walnut", "neg": "teapot"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_parts("movies", folder, 1600, 400)
        for file in files:
            rows = []
            for text in _texts(file):
                label = chance.choice(("pos", "neg"))
                some = text.split()
                some.insert(chance.randint(0, len(some)), sets[label])
                rows.append((" ".join(some), label))
            with file.open("w", encoding="utf-8", newline="") as stream:
                csv.writer(stream).writerows([("text", "label"), *rows])
        accuracy = train(*files, folder / "run", method)["metrics"]["test"]["accuracy"]
        asked = Wanted(data=str(files[1]), limit=100, num_examples=0)
        said = explain(folder / "run", asked, DataSettings(), Show(is_quiet=True))["texts"]
    first = [max(one["words"], key=lambda word: abs(word["attribution"]))["text"] for one in said]
    return {
        "accuracy": accuracy,
        "explained_share": float(np.mean([word in sets.values() for word in first])),
    }


def influences(method: str) -> dict[str, Any]:
    """Seconds to find the examples behind an answer among 10,000, what the last layer reads being stored."""
    import time

    from lightune.run import load
    from lightune.steps.influence import training_influences

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_parts("movies", folder, 4000, 2000)
        train(*files, folder / "run", method)
        run = load(folder / "run")
        began = time.perf_counter()
        known = training_influences(run, Show(is_quiet=True))
        first = time.perf_counter() - began
        began = time.perf_counter()
        known = training_influences(run, Show(is_quiet=True))
        again = time.perf_counter() - began
        assert known is not None
        repeats = -(-10_000 // len(known.examples))
        known.examples = (known.examples * repeats)[:10_000]
        for part in ("features", "errors"):
            grown = np.tile(getattr(known.known, part), (repeats, 1))[:10_000]
            object.__setattr__(known.known, part, grown)
        taken = []
        for text in _texts(files[1])[:20]:
            began = time.perf_counter()
            known.of(run._examples([(text,)])[0], 3)
            taken.append(time.perf_counter() - began)
    return {"first_reading": first, "stored_reading": again, "of_10000": float(np.median(taken))}


def shifted(method: str) -> dict[str, Any]:
    """A run on movies, measured on movies and on three other domains."""
    from lightune.core.paths import cache_folder
    from lightune.data.settings import DataSettings
    from lightune.steps.assess import Wanted, assess

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_parts("movies", folder, 4000, 2000)
        train(*files, folder / "run", method)
        for other in ("tweets", "products", "news"):
            wanted = Wanted(
                DataSettings(), ("text",), "label", shifted=str(cache_folder() / "data" / f"{other}.csv")
            )
            said = assess(folder / "run", str(files[1]), wanted, Show(is_quiet=True))
            found["movies"] = {"metrics": said["metrics"], "calibration_error": said["calibration_error"]}
            kept = ("metrics", "difference", "calibration_error", "unusual_share", "rows")
            found[other] = {key: said["shifted"][key] for key in kept}
    return found


def robust(method: str) -> dict[str, Any]:
    """A run on movies, on the test texts changed."""
    from lightune.data.settings import DataSettings
    from lightune.steps.assess import Wanted, assess

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_parts("movies", folder, 4000, 2000)
        train(*files, folder / "run", method)
        wanted = Wanted(DataSettings(), is_robust=True)
        return {"robust": assess(folder / "run", str(files[1]), wanted, Show(is_quiet=True))["robust"]}


PARTS = {one.__name__: one for one in (belief, labels, words, planted, influences, shifted, robust)}


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
    parser.add_argument("--methods", nargs="+", default=["head"], help="of `labels`: seeds, or `clean`")
    asked = parser.parse_args()
    for name in asked.methods:
        found = PARTS[asked.part](name)
        keep(asked.part, name, found)
        print(name, json.dumps(found, indent=1), flush=True)
    if asked.part == "labels":
        gains(json.loads(FILE.read_text()))


if __name__ == "__main__":
    main()
