"""Small data sets (synthetic) and runs that several tests need."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

GOOD = ["good", "great", "brilliant", "charming", "funny", "wonderful", "amazing", "excellent"]
BAD = ["bad", "awful", "boring", "terrible", "dull", "horrible", "poor", "worst"]
THINGS = ["movie", "film", "story", "plot", "actor", "show", "game", "book"]


def sentences(number: int, seed: int = 0) -> list[tuple[str, str]]:
    """Synthetic sentences of different length, the label decided by one word."""
    chance = random.Random(seed)
    rows = []
    for place in range(number):
        label = "pos" if place % 2 else "neg"
        word = chance.choice(GOOD if label == "pos" else BAD)
        filler = " ".join(chance.choice(THINGS) for _ in range(chance.randint(0, 8)))
        rows.append((f"the {chance.choice(THINGS)} {place} was {word} {filler}".strip(), label))
    return rows


def write_csv(path: Path, rows: list[tuple[Any, ...]], header: tuple[str, ...] = ("text", "label")) -> Path:
    """A CSV file with a header."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def task_rows(task: str, number: int = 24) -> tuple[list[tuple[Any, ...]], tuple[str, ...], str]:
    """(rows, header, --text) of a synthetic data set for a task."""
    plain = sentences(number)
    if task == "pair":
        rows = [(text, f"it was {GOOD[i % 8]}", label) for i, (text, label) in enumerate(plain)]
        return rows, ("sentence1", "sentence2", "label"), "sentence1,sentence2"
    if task == "multilabel":
        sets = ["a|b" if label == "pos" else ("b" if i % 4 else "") for i, (_, label) in enumerate(plain)]
        return [(text, one) for (text, _), one in zip(plain, sets, strict=True)], ("text", "label"), "text"
    if task == "regress":
        values = [1.5 + i / 10 if label == "pos" else -1.5 - i / 10 for i, (_, label) in enumerate(plain)]
        return [(text, one) for (text, _), one in zip(plain, values, strict=True)], ("text", "label"), "text"
    if task == "answer":
        rows = [(f"what was the {text.split()[1]}", text, text.split()[4]) for text, _ in plain]
        return rows, ("question", "context", "label"), "question,context"
    if task in {"instruct", "translate"}:
        answers = [f"the {label} one" for _, label in plain]
        columns = ("prompt", "label") if task == "instruct" else ("en", "label")
        return [(text, one) for (text, _), one in zip(plain, answers, strict=True)], columns, columns[0]
    if task == "tag":
        return [(text, json.dumps(_spans(text))) for text, _ in plain], ("text", "label"), "text"
    if task == "retrieve":
        words = [(GOOD[i % 8], THINGS[(i + i // 8) % 8]) for i in range(number)]
        pairs = [(f"{word} {thing} {word}", f"the {thing} was {word}") for word, thing in words]
        return [*pairs], ("anchor", "positive"), "anchor,positive"
    return list(plain), ("text", "label"), "text"


def _spans(text: str) -> list[dict[str, Any]]:
    """The adjectives of a synthetic sentence."""
    kinds = [*((word, "PRAISE") for word in GOOD), *((word, "BLAME") for word in BAD)]
    return [
        {"start": text.index(word), "end": text.index(word) + len(word), "label": kind}
        for word, kind in kinds
        if word in text.split()
    ]


def train_tiny(folder: Path, model: Path, **asked: Any) -> dict[str, Any]:
    """Run the whole line on 48 synthetic sentences; returns the JSON summary."""
    from lightune.api import run_train
    from lightune.core.progress import Show
    from lightune.request import Request

    data = asked.pop("data", None) or write_csv(folder / "data.csv", list(sentences(48)))
    groups = {"train": {"epochs": 2}, **asked.pop("groups", {})}
    asked.setdefault("output", str(folder / "run"))
    request = Request(data=str(data), model=str(model), groups=groups, **asked)
    return run_train(request, Show(is_quiet=True))


TinyModel = Callable[..., Path]
