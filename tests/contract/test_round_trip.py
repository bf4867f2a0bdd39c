"""Save, load in a fresh process: the same logits, wherever the run and its backbone have been moved."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lightune
from lightune import methods
from lightune.backbones import digests
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.request import HEADS
from lightune.run import Run
from lightune.steps import keep
from tests.making import TinyModel, sentences, task_rows, train_tiny, write_csv
from tests.tiny import tiny_model

METHODS = plugins.names(methods)
POOLINGS = [head for head in HEADS if head != "auto"]
COMBINATIONS = [("bert", method, head) for method in METHODS for head in POOLINGS]
COMBINATIONS += [(kind, method, "standard") for kind in ("gpt2", "t5") for method in ("lora", "full")]
TEXTS = [(text,) for text, _ in sentences(9, seed=5)]
SCRIPT = Path(__file__).with_name("open_runs.py")


@dataclass(frozen=True)
class Saved:
    """A run as the process that trained it saw it."""

    folder: Path
    texts: list[tuple[str, ...]]
    logits: Any
    labels: list[Any]


def train_and_look(folder: Path, model: Path, texts: list[tuple[str, ...]], **asked: Any) -> Saved:
    """Train, and ask the network in memory before it is forgotten."""
    seen: list[Saved] = []
    original = keep.keep

    def look(outcome: keep.Outcome, work: Path, output: Path) -> None:
        run = Run(
            work,
            keep.run_state(outcome),
            outcome.gathered.task,
            outcome.prepared.method,
            outcome.prepared.backbone,
        )
        labels = [one.label for one in run.predict(texts)]
        seen.append(Saved(output, texts, run.logits(texts), labels))
        original(outcome, work, output)

    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keep, "keep", look)
        train_tiny(folder, model, **asked)
    return seen[0]


def open_afresh(runs: list[tuple[Path, list[tuple[str, ...]]]]) -> list[dict[str, Any]]:
    """Open all of them in one new process."""
    asked = json.dumps([{"run": str(folder), "texts": texts} for folder, texts in runs])
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], input=asked, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def saved(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], Saved]:
    """Every combination, trained for an epoch."""
    place = tmp_path_factory.mktemp("runs")
    short = {"train": {"epochs": 1}}
    return {
        (kind, method, head): train_and_look(
            place / f"{kind}-{method}-{head}",
            tiny(kind, num_layers=2),
            TEXTS,
            method=method,
            head=head,
            groups=short,
        )
        for kind, method, head in COMBINATIONS
    }


@pytest.fixture(scope="module")
def reopened(saved: dict[tuple[str, str, str], Saved]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """All of them in a fresh process."""
    found = open_afresh([(one.folder, one.texts) for one in saved.values()])
    return dict(zip(saved, found, strict=True))


@pytest.mark.parametrize("combination", COMBINATIONS, ids="-".join)
def test_same_logits_in_a_fresh_process(combination: Any, saved: Any, reopened: Any) -> None:
    before, after = saved[combination], reopened[combination]
    assert np.abs(before.logits - np.array(after["logits"])).max() < 1e-6
    assert before.labels == after["labels"]
    assert np.ptp(before.logits[:, 0]) > 1e-4  # the logits depend on the text at all


@pytest.mark.parametrize("task", ["regress", "multilabel", "pair"])
def test_every_task_comes_back(task: str, tiny: TinyModel, tmp_path: Path) -> None:
    rows, header, text = task_rows(task, 48)
    texts = [tuple(row[:-1]) for row in rows[:5]]
    data = write_csv(tmp_path / "data.csv", rows, header)
    asked = {"task": task, "text": tuple(text.split(",")), "label": "label", "data": data}
    one = train_and_look(tmp_path, tiny("bert", num_layers=2), texts, **asked)
    run = lightune.load(one.folder)
    assert np.abs(run.logits(texts) - one.logits).max() < 1e-5
    found = [said.label for said in run.predict(texts)]
    assert found == (pytest.approx(one.labels, abs=1e-5) if task == "regress" else one.labels)


def test_run_and_backbone_may_move(tmp_path: Path) -> None:
    """The run is copied elsewhere, and the backbone found again by what its bytes hash to."""
    model = tiny_model(tmp_path / "first" / "model", "bert", num_layers=1)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"note": "nowhere else"}))
    one = train_and_look(tmp_path / "here", model, TEXTS, method="lora")
    moved = tmp_path / "there" / "renamed"
    shutil.copytree(one.folder, moved)
    shutil.rmtree(one.folder)
    elsewhere = tmp_path / "second" / "model"
    elsewhere.parent.mkdir()
    model.rename(elsewhere)
    with pytest.raises(UserError, match="not on this machine"):
        lightune.load(moved)
    digests.digest(elsewhere)  # as any command that is given this folder does
    (after,) = open_afresh([(moved, TEXTS)])
    assert np.abs(one.logits - np.array(after["logits"])).max() < 1e-6
    assert after["backbone"] == str(elsewhere)


def test_changed_backbone_is_refused(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", "bert", num_layers=1)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"note": "one of a kind"}))
    one = train_and_look(tmp_path / "here", model, TEXTS, method="lora")
    (model / "config.json").write_text(json.dumps(config | {"note": "changed"}))
    with pytest.raises(UserError, match="bytes differ"):
        lightune.load(one.folder)


def weights(folder: Path) -> dict[str, bytes]:
    """File name -> bytes of all weights in a run."""
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*.safetensors"))}


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_gives_the_same_bytes(method: str, tiny: TinyModel, tmp_path: Path) -> None:
    model = tiny("bert", num_layers=2)
    files = []
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        output = str(tmp_path / name)
        train_tiny(tmp_path, model, method=method, seed=seed, output=output, groups={"train": {"epochs": 1}})
        files.append(weights(tmp_path / name))
    assert files[0]
    assert files[0] == files[1]
    assert files[0] != files[2]
