"""What has changed since a run was saved is named, and nothing is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import lightune
from lightune.core.errors import UserError
from tests.cli.running import lightune as command
from tests.making import train_tiny, write_csv
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run and its model; copy before changing."""
    folder = tmp_path_factory.mktemp("changed")
    model = tiny_model(folder / "model", "bert", num_layers=1)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"note": "no other test's"}))
    return Path(train_tiny(folder, model, method="lora", groups={"train": {"epochs": 1}})["output"]), model


@pytest.fixture
def run(saved: tuple[Path, Path], tmp_path: Path) -> Path:
    return shutil.copytree(saved[0], tmp_path / "run")


def write_state(run: Path, **changed: Any) -> None:
    state = json.loads((run / "lightune.json").read_text())
    (run / "lightune.json").write_text(json.dumps({**state, "extra": {**state["extra"], **changed}}))


def test_a_flipped_bit_is_found(run: Path, tmp_path: Path) -> None:
    file = run / "adapter_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-7] ^= 64
    file.write_bytes(content)
    write_csv(tmp_path / "new.csv", [("a", "b")])
    ended = command("predict", run, tmp_path / "new.csv")
    assert ended.code == 2
    assert "corrupted" in ended.err and ended.out == ""


def test_a_changed_tokenizer_is_refused(saved: tuple[Path, Path], run: Path) -> None:
    """An older run, which does not know its tokenizer's digest, still opens."""
    file = saved[1] / "tokenizer.json"
    content = file.read_text()
    known = json.loads(content)
    try:
        file.write_text(json.dumps({**known, "normalizer": None}))
        with pytest.raises(UserError, match="tokenizer is not the one"):
            lightune.load(run)
        write_state(run, tokenizer_digest="", weight_digests={})
        assert lightune.load(run).labels == ("neg", "pos")
    finally:
        file.write_text(content)


def test_another_backbone_is_refused_by_name(run: Path, tmp_path: Path) -> None:
    other = tiny_model(tmp_path / "other", "bert", num_layers=2)
    with pytest.raises(UserError, match="its bytes differ"):
        lightune.load(run, model=str(other))


def test_other_labels_are_refused(run: Path) -> None:
    with pytest.raises(UserError, match="was trained with neg, pos"):
        lightune.load(run, labels=["pos", "neg"])
