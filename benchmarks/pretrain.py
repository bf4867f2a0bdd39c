"""Language models on one corpus with one tokenizer, and what going on with an encoder buys.

    python benchmarks/pretrain.py ladder austen --held-out book=Persuasion --seconds 240
    python benchmarks/pretrain.py ladder people-daily --vocabulary characters --seconds 240
    python benchmarks/pretrain.py continued --texts 20000 --seconds 300 --seeds 5

`ladder` trains gpt, then lstm and an n-gram model of order 5 with gpt's tokenizer, each at most so long.
`continued` lets MiniLM go on with sentences without labels, then fine-tunes it and the untouched MiniLM with
500 labels of movie sentences, the same for both, and tests both on the same rows.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frontier import RESULTS, machine

FILE = RESULTS / "pretrain.json"
LABELS, TEST_ROWS = 500, 2000
DATA = ("movies", "products", "news")


def keep(record: dict[str, Any]) -> None:
    """Add a record to the results."""
    import torch

    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"records": []}
    known["machine"] = machine()
    known["records"].append({**record, "threads": torch.get_num_threads()})
    RESULTS.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def ladder(asked: argparse.Namespace) -> None:
    """Bits per byte of the three kinds on the same held-out texts."""
    from lightune.core.progress import Show
    from lightune.steps.pretrain import PretrainRequest, run_pretrain

    known: dict[str, Any] = {"data": asked.corpus, "held_out": asked.held_out, "seed": asked.seed}
    for kind in asked.kinds.split(","):
        own: dict[str, Any] = {"groups": {"pretrain": {"vocabulary": asked.vocabulary}}}
        if kind != "gpt":
            own = {"tokenizer": str(asked.tokenizer or asked.output / "gpt")}
        if kind == "ngram":
            own["groups"] = {"pretrain": {"order": "5", "unit": "subwords"}}
        else:
            own["budget"] = f"{asked.seconds}s"
        request = PretrainRequest(kind=kind, output=str(asked.output / kind), overwrite=True, **known, **own)
        told = run_pretrain(request, Show(is_quiet=asked.quiet))
        names = ("kind", "metrics", "intervals", "facts", "seconds", "texts", "bytes", "decisions")
        record = {name: told[name] for name in names} | {"samples": told["samples"][-2:]}
        known_by = {"part": "ladder", "corpus": Path(asked.corpus).stem, "held_out": asked.held_out}
        keep({**known_by, "budget": own.get("budget"), **record})
        print(kind, told["metrics"]["validation"], told["seconds"], told["samples"][-1:], flush=True)


def rows_of(name: str) -> list[tuple[str, str]]:
    """(text, label) of a bundled data set, shuffled."""
    from lightune.core.progress import Show
    from lightune.data.bundled import bundled

    with open(bundled(name, Show(is_quiet=True)), encoding="utf-8", newline="") as stream:
        rows = [(row["text"], row["label"]) for row in csv.DictReader(stream)]
    random.Random(0).shuffle(rows)
    return rows


def write(file: Path, rows: list[tuple[str, str]]) -> str:
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])
    return str(file)


def continued(asked: argparse.Namespace) -> None:
    """Accuracy with 500 labels, from MiniLM and from MiniLM that went on."""
    import lightune
    from lightune.core.progress import Show
    from lightune.steps.pretrain import PretrainRequest, run_pretrain

    folder = asked.output
    folder.mkdir(parents=True, exist_ok=True)
    movies = rows_of("movies")
    test, rest = movies[:TEST_ROWS], movies[TEST_ROWS:]
    texts = [text for text, _ in rest] + [text for name in DATA[1:] for text, _ in rows_of(name)]
    random.Random(1).shuffle(texts)
    (folder / "texts.txt").write_text("\n".join(one.replace("\n", " ") for one in texts[: asked.texts]))
    run = folder / "bert"
    if not run.exists():
        request = PretrainRequest(
            data=str(folder / "texts.txt"), kind="bert", model="minilm", budget=f"{asked.seconds}s",
            output=str(run), groups={"pretrain": {"block": "64"}},
        )  # fmt: skip
        told = run_pretrain(request, Show(is_quiet=asked.quiet))
        names = ("metrics", "facts", "seconds", "history", "decisions")
        keep({"part": "going on", "texts": asked.texts, **{name: told[name] for name in names}})
        print(told["metrics"], told["history"], told["decisions"], flush=True)
    write(folder / "test.csv", test)
    found: dict[tuple[str, str], list[float]] = {}
    for seed in range(asked.seeds):
        chosen = random.Random(10 + seed).sample(rest, LABELS)
        data = write(folder / f"train-{seed}.csv", chosen)
        for method in asked.methods.split(","):
            for name, model in (("minilm", "minilm"), ("gone on", str(run))):
                trained = lightune.train(
                    data, model=model, method=method, test=str(folder / "test.csv"), seed=seed,
                    output=str(folder / "fine"), overwrite=True,
                )  # fmt: skip
                metrics = json.loads((Path(trained.folder) / "metrics.json").read_text())["metrics"]["test"]
                found.setdefault((method, name), []).append(metrics["accuracy"])
                record = {"part": "continued", "method": method, "model": name, "seed": seed}
                keep({**record, "accuracy": metrics["accuracy"]})
                print(record, metrics["accuracy"], flush=True)
    for (method, name), values in found.items():
        print(method, name, f"{statistics.mean(values):.4f}", values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["ladder", "continued"])
    parser.add_argument("corpus", nargs="?", default="austen")
    parser.add_argument("--held-out", default=None)
    parser.add_argument("--vocabulary", default="bpe")
    parser.add_argument("--tokenizer", default=None)
    parser.add_argument("--kinds", default="gpt,lstm,ngram")
    parser.add_argument("--seconds", type=int, default=240)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", default="head,lora")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path(tempfile.gettempdir()) / "lightune-pretrain")
    parser.add_argument("--quiet", action="store_true")
    asked = parser.parse_args()
    ladder(asked) if asked.part == "ladder" else continued(asked)


if __name__ == "__main__":
    main()
