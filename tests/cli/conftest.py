"""One tiny trained run, shared by the tests of the command line."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import lightune
from tests.making import TinyModel, sentences, write_csv


@dataclass(frozen=True)
class Trained:
    """A run trained through the command line, and what it said.

    Attributes:
        folder: where its data (`data.csv`, `test.csv`) and the run (`run`) are.
        words: the command that trained it.
        summary: the object of `--json`.
    """

    folder: Path
    model: Path
    words: tuple[str, ...]
    summary: dict[str, Any]
    err: str

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.folder / "run"


@pytest.fixture(scope="session")
def trained(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A classifier of synthetic sentences; do not change it: copy it first."""
    folder, model = tmp_path_factory.mktemp("trained"), tiny("bert")
    write_csv(folder / "data.csv", list(sentences(64)))
    write_csv(folder / "test.csv", list(sentences(24, seed=7)))
    words: tuple[str, ...] = (
        "train",
        "data.csv",
        "--model",
        str(model),
        "--test",
        "test.csv",
        "--output",
        "run",
    )
    words += ("--train.epochs", "2", "--method.layers", "2", "--cache.dtype", "float32")
    ended = lightune(*words, "--json", folder=folder)
    assert ended.code == 0, ended.err
    return Trained(folder, model, words, ended.json, ended.err)


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """A shell's background jobs ignore Ctrl-C, and so would what they start: here it is heard again."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
