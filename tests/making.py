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


Made = tuple[list[tuple[Any, ...]], tuple[str, ...], str]


def task_rows(task: str, number: int = 24) -> Made:
    """(rows, header, --text) of a synthetic data set for a task."""
    makers = {
        "pair": _pair_rows,
        "multilabel": _multilabel_rows,
        "regress": _regress_rows,
        "answer": _answer_rows,
        "instruct": _instruct_rows,
        "translate": _translate_rows,
        "choose": _choose_rows,
        "tag": _tag_rows,
        "retrieve": _retrieve_rows,
        "event": _event_rows,
        "relation": _relation_rows,
    }
    plain = sentences(number)
    return makers[task](plain) if task in makers else (list(plain), ("text", "label"), "text")


Plain = list[tuple[str, str]]
ONE = ("text", "label")


def _pair_rows(plain: Plain) -> Made:
    rows = [(text, f"it was {GOOD[i % 8]}", label) for i, (text, label) in enumerate(plain)]
    return list(rows), ("sentence1", "sentence2", "label"), "sentence1,sentence2"


def _multilabel_rows(plain: Plain) -> Made:
    sets = ["a|b" if label == "pos" else ("b" if i % 4 else "") for i, (_, label) in enumerate(plain)]
    return [(text, one) for (text, _), one in zip(plain, sets, strict=True)], ONE, "text"


def _regress_rows(plain: Plain) -> Made:
    values = [1.5 + i / 10 if label == "pos" else -1.5 - i / 10 for i, (_, label) in enumerate(plain)]
    return [(text, one) for (text, _), one in zip(plain, values, strict=True)], ONE, "text"


def _answer_rows(plain: Plain) -> Made:
    rows = [(f"what was the {text.split()[1]}", text, text.split()[4]) for text, _ in plain]
    return list(rows), ("question", "context", "label"), "question,context"


def _instruct_rows(plain: Plain) -> Made:
    return [(text, f"the {label} one") for text, label in plain], ("prompt", "label"), "prompt"


def _translate_rows(plain: Plain) -> Made:
    return [(text, f"the {label} one") for text, label in plain], ("en", "label"), "en"


def _choose_rows(plain: Plain) -> Made:
    rows = [
        (f"how was it: {text}", *(["good", "bad", "unclear"][: 2 + i % 2]), int(label == "neg"))
        for i, (text, label) in enumerate(plain)
    ]
    padded = [row if len(row) == 5 else (*row[:3], "", row[3]) for row in rows]
    return list(padded), ("question", "option_a", "option_b", "option_c", "label"), "question"


def _tag_rows(plain: Plain) -> Made:
    return [(text, json.dumps(_spans(text))) for text, _ in plain], ONE, "text"


def _retrieve_rows(plain: Plain) -> Made:
    words = [(GOOD[i % 8], THINGS[(i + i // 8) % 8]) for i in range(len(plain))]
    pairs = [(f"{word} {thing} {word}", f"the {thing} was {word}") for word, thing in words]
    return list(pairs), ("anchor", "positive"), "anchor,positive"


def _event_rows(plain: Plain) -> Made:
    return [(text, json.dumps(_events(text, i))) for i, (text, _) in enumerate(plain)], ONE, "text"


def _relation_rows(plain: Plain) -> Made:
    pairs = [
        (text, *(json.dumps(one) for one in _pair(text, i)), _RELATIONS[label])
        for i, (text, label) in enumerate(plain)
    ]
    return list(pairs), ("text", "head", "tail", "label"), "text"


def _events(text: str, number: int) -> list[dict[str, Any]]:
    """A verdict of a synthetic sentence: the adjective is the trigger, the number what it is about."""
    _, about = _pair(text, number)
    argument = {"start": about["start"], "end": about["end"], "role": "about"}
    return [
        {"type": one["label"], "trigger": {"start": one["start"], "end": one["end"]}, "arguments": [argument]}
        for one in _spans(text)
    ]


_RELATIONS = {"pos": "likes", "neg": "no_relation"}


def _pair(text: str, number: int) -> list[dict[str, Any]]:
    """The thing of a synthetic sentence and its number, which stands behind it."""
    start, end = len("the "), text.index(f" {number} was")
    places = [(start, end, "THING"), (end + 1, end + 1 + len(str(number)), "NUMBER")]
    return [{"start": first, "end": behind, "type": kind} for first, behind, kind in places]


def _spans(text: str) -> list[dict[str, Any]]:
    """The adjectives of a synthetic sentence."""
    kinds = [*((word, "PRAISE") for word in GOOD), *((word, "BLAME") for word in BAD)]
    return [
        {"start": text.index(word), "end": text.index(word) + len(word), "label": kind}
        for word, kind in kinds
        if word in text.split()
    ]


def train_tiny(folder: Path, model: Path | str = "auto", **asked: Any) -> dict[str, Any]:
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
