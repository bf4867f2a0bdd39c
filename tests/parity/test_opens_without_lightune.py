"""Run folders open with transformers and peft alone, by the lines that their card prints."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lightune
from lightune import methods
from lightune.core import plugins
from lightune.methods.base import Method
from tests.making import TinyModel, sentences, task_rows, train_tiny, write_csv
from tests.tiny import tiny_model

SCRIPT = Path(__file__).with_name("opens_with_peft.py")
DRIVER = """
import json, os, sys
for folder, code in json.load(sys.stdin):
    os.chdir(folder)
    known = {}
    exec(code, known)
    model, tokenizer = known["model"], known["tokenizer"]
    inputs = tokenizer(*map(list, zip(*json.load(open("texts.json")))), padding=True, return_tensors="pt")
    print(json.dumps({"logits": model.eval()(**inputs).logits.tolist(), "num_labels": model.config.num_labels,
        "labels": [model.config.id2label[n] for n in range(model.config.num_labels)],
        "is_lightune_there": "lightune" in sys.modules}))
"""
OPEN_TO_ALL = [
    name
    for name in plugins.names(methods)
    if plugins.load(methods, name, Method).opens_with != "lightune"  # type: ignore[type-abstract]
]


def rows_of(task: str) -> tuple[list[Any], tuple[str, ...], str]:
    """`task_rows`, and three classes as a task of its own."""
    if task != "three":
        return task_rows(task, 48)
    names = ("bad", "so-so", "über")
    return [(text, names[i % 3]) for i, (text, _) in enumerate(sentences(48))], ("text", "label"), "text"


def train_for(folder: Path, model: Path, task: str, method: str) -> tuple[Path, list[tuple[str, ...]]]:
    """(run folder, some texts)."""
    rows, header, text = rows_of(task)
    data = write_csv(folder / "data.csv", rows, header)
    train_tiny(
        folder,
        model,
        method=method,
        task="classify" if task == "three" else task,
        text=tuple(text.split(",")),
        label="label",
        data=data,
        groups={"train": {"epochs": 1}},
    )
    return folder / "run", [tuple(row[:-1]) for row in rows[:6]]


def lines_of(*command: str, asked: str = "") -> list[dict[str, Any]]:
    """The JSON objects that a Python program prints, one a line."""
    done = subprocess.run(
        [sys.executable, *command], input=asked, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(run_folder: Path, texts: list[tuple[str, ...]], found: dict[str, Any]) -> None:
    """The other program gave lightune's logits and label names, without lightune."""
    run = lightune.load(run_folder)
    assert not found["is_lightune_there"]
    assert found["num_labels"] == len(run.labels)
    assert found["labels"] == list(run.labels)
    logits = run.logits(texts)
    assert np.abs(logits - np.array(found["logits"])).max() < 1e-4
    assert np.ptp(logits[:, 0]) > 1e-3


CASES = [
    (kind, task, method)
    for kind, task in [
        *(("bert", task) for task in ("classify", "three", "regress", "multilabel", "pair")),
        ("gpt2", "three"),
    ]
    for method in OPEN_TO_ALL
]


@pytest.fixture(scope="module")
def opened(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Any]:
    """Case -> (run folder, texts, what the script printed): one process opens them all."""
    runs, command = {}, [str(SCRIPT)]
    for case in CASES:
        kind, task, method = case
        folder = tmp_path_factory.mktemp("-".join(case))
        run, texts = train_for(folder, tiny(kind, num_layers=2), task, method)
        (folder / "texts.json").write_text(json.dumps([one[0] if len(one) == 1 else one for one in texts]))
        runs[case] = (run, texts)
        command += [str(run), str(folder / "texts.json")]
    return {case: (*runs[case], found) for case, found in zip(CASES, lines_of(*command), strict=True)}


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_script_finds_the_same_logits(case: Any, opened: dict[Any, Any]) -> None:
    compare(*opened[case])


def card_code(run: Path) -> str:
    """The lines of the card that need no lightune."""
    card = (run / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"Without lightune.*?```python\n(.*?)```", card, re.DOTALL)
    return str(code)


def as_on_the_hub(folder: Path, kind: str) -> Path:
    """A model as the hub has decoders: no padding token in its config, weights in bfloat16."""
    import torch
    from transformers import AutoModel

    tiny_model(folder, kind, num_layers=2)
    model = AutoModel.from_pretrained(folder).to(torch.bfloat16)
    if kind != "bert":
        model.config.pad_token_id = None
    model.save_pretrained(folder)
    return folder


def test_the_cards_lines_work(tmp_path: Path) -> None:
    """Also for a padded batch on a decoder whose own config names no padding token."""
    runs = []
    for kind in ("bert", "gpt2", "llama"):
        for method in OPEN_TO_ALL:
            folder = tmp_path / f"{kind}-{method}"
            folder.mkdir()
            runs.append(train_for(folder, as_on_the_hub(folder / "model", kind), "three", method))
            (runs[-1][0] / "texts.json").write_text(json.dumps(runs[-1][1]))
    asked = json.dumps([[str(run), card_code(run)] for run, _ in runs])
    for (run, texts), found in zip(runs, lines_of("-c", DRIVER, asked=asked), strict=True):
        compare(run, texts, found)


def test_lightunes_own_head_says_so(tiny: TinyModel, tmp_path: Path) -> None:
    train_tiny(tmp_path, tiny("bert", num_layers=2), head="mean", groups={"train": {"epochs": 1}})
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "Without lightune" not in card
    assert "open it with lightune" in card
    assert not (tmp_path / "run" / "config.json").exists()
