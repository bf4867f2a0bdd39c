"""What every peer does alike: read its arguments and rows, and print its result as the last line."""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightune.core.machine import peak_memory_bytes

BEGAN = time.perf_counter()


class Work:
    """Texts and label numbers to train and test on, and where the model is."""

    def __init__(self) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("train", type=Path)
        parser.add_argument("test", type=Path)
        parser.add_argument("--model", required=True)
        parser.add_argument("--max-length", type=int, default=512)
        parser.add_argument("--seed", type=int, default=0)
        given = parser.parse_args()
        self.model: str = given.model
        self.max_length: int = given.max_length
        self.seed: int = given.seed
        self.train_texts, train_labels = read(given.train)
        self.test_texts, test_labels = read(given.test)
        numbers = {name: number for number, name in enumerate(sorted(set(train_labels)))}
        self.num_labels = len(numbers)
        self.train_labels = [numbers[name] for name in train_labels]
        self.test_labels = [numbers.get(name, -1) for name in test_labels]  # -1: never right


def read(file: Path) -> tuple[list[str], list[str]]:
    """The texts and the labels of a CSV file."""
    csv.field_size_limit(10_000_000)
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def report(predicted: Sequence[int], gold: Sequence[int], **more: Any) -> None:
    """Print the result as one JSON line."""
    right = sum(int(one) == other for one, other in zip(predicted, gold, strict=True))
    result = {
        "accuracy": right / len(gold),
        "seconds_inside": time.perf_counter() - BEGAN,
        "peak_memory_bytes": peak_memory_bytes(),
        **more,
    }
    print(json.dumps(result), flush=True)
