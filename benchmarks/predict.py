"""Prediction of texts not seen before: `lightune predict` exact and fast against transformers.pipeline.

The run is LoRA on 4,000 movie sentences; the peer gets the same network, its adapter merged, at the best of
three batch sizes, found beforehand. Seconds are those of whole processes, loading included; rows a second
are what is left when the time for a file of a few rows is taken off.

python benchmarks/predict.py --rows 6000
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frontier import RESULTS, machine, write_parts

PEER_BATCHES = (8, 32, 64)
TRIED_ROWS = 400
FEW_ROWS = 16


def pipeline(run: str, file: str, output: str, batch: int) -> None:
    """The peer's process: writes one label a line; for batch 0 it prints the best batch size instead."""
    import torch
    from peft import AutoPeftModelForSequenceClassification
    from transformers import AutoTokenizer, TextClassificationPipeline

    names = {
        int(key): name for key, name in json.loads((Path(run) / "labels.json").read_text("utf-8")).items()
    }
    model = AutoPeftModelForSequenceClassification.from_pretrained(run, id2label=names, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(run)
    ask = TextClassificationPipeline(model=model.merge_and_unload().eval(), tokenizer=tokenizer)
    with open(file, encoding="utf-8", newline="") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]

    def label(texts: list[str], batch: int) -> list[str]:
        return [one["label"] for one in ask(texts, batch_size=batch, truncation=True, max_length=128)]

    if batch:
        Path(output).write_text("\n".join(label(texts, batch)), encoding="utf-8")
        return
    label(texts[:64], 32)
    taken = {}
    for size in PEER_BATCHES:
        began = time.perf_counter()
        label(texts[:TRIED_ROWS], size)
        taken[size] = time.perf_counter() - began
    print(min(taken, key=lambda size: taken[size]))


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _answer(entry: str, run: str, file: Path, output: Path, batch: str) -> float:
    """Seconds of one process that answers a file."""
    if entry == "pipeline":
        command = [sys.executable, __file__, run, str(file), str(output), batch]
    else:
        command = [sys.executable, "-m", "lightune", "predict", run, str(file), "--quiet"]
        command += ["--precision", entry, "--output", str(output)]
    began = time.perf_counter()
    _run(command)
    return time.perf_counter() - began


def labels_of(file: Path) -> list[str]:
    """The labels that were predicted, in order."""
    if file.suffix == ".txt":
        return file.read_text("utf-8").splitlines()
    with file.open(encoding="utf-8", newline="") as stream:
        return [row["predicted"] for row in csv.DictReader(stream)]


def main() -> None:
    """Train once, predict in turn, record medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train, test = write_parts("movies", folder, 4000, asked.rows)
        run = str(folder / "run")
        command = [sys.executable, "-m", "lightune", "train", str(train), "--method", "lora", "--quiet"]
        _run([*command, "--model", "minilm", "--data.max-length", "128", "--output", run])
        seconds: dict[str, list[float]] = {"pipeline": [], "exact": [], "fast": []}
        labels: dict[str, list[str]] = {}
        few = folder / "few.csv"
        few.write_text("".join(test.open(encoding="utf-8").readlines()[: FEW_ROWS + 1]), encoding="utf-8")
        batch = _run([sys.executable, __file__, run, str(test), "-", "0"])
        starting: dict[str, list[float]] = {entry: [] for entry in seconds}
        for _ in range(asked.repeats):
            for entry, whole in seconds.items():
                output = folder / (f"{entry}.txt" if entry == "pipeline" else f"{entry}.csv")
                for file, taken in ((few, starting[entry]), (test, whole)):
                    taken.append(_answer(entry, run, file, output, batch))
                    labels[entry] = labels_of(output)
                    output.unlink()
    usual = statistics.median(seconds["pipeline"])
    summary, rates = {}, {}
    for entry, taken in seconds.items():
        middle = statistics.median(taken)
        pairs = list(zip(labels[entry], labels["pipeline"], strict=True))
        equal = sum(a == b for a, b in pairs) / len(pairs)
        rates[entry] = (asked.rows - FEW_ROWS) / (middle - statistics.median(starting[entry]))
        summary[entry] = {
            "seconds": middle,
            "times_the_peer": usual / middle,
            "rows_a_second": rates[entry],
            "times_the_rate": rates[entry] / rates["pipeline"],
            "equal_labels": equal,
        }
        line = f"{entry:10}{middle:7.1f} s {usual / middle:5.2f}x, {rates[entry]:5.0f} rows/s "
        print(f"{line}{rates[entry] / rates['pipeline']:5.2f}x, {equal:.2%} equal labels", flush=True)
    record = {
        **machine(),
        "rows": asked.rows,
        "threads": os.cpu_count(),
        "batch": batch,
        "summary": summary,
        "all": seconds,
        "starting": starting,
    }
    name = "predict.json" if record["bfloat16"] else "predict-float32.json"
    (RESULTS / name).write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 5 and not sys.argv[1].startswith("-"):
        model, texts, answers, size = sys.argv[1:]
        pipeline(model, texts, answers, int(size))
    else:
        main()
