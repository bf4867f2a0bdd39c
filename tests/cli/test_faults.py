"""A full disk, Ctrl-C, and going on afterwards."""

from __future__ import annotations

import errno
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError
from safetensors.torch import save_file

from lightune.engine import checkpoint
from lightune.runs.report import write_report
from tests.cli.conftest import Trained
from tests.cli.running import Ended, command, lightune, paths_in
from tests.making import sentences, write_csv

FULL = OSError(errno.ENOSPC, "No space left on device")
FULL_SAFETENSORS = SafetensorError(
    "Error while serializing: I/O error: No space left on device (os error 28)"
)


def copy_of(trained: Trained, folder: Path) -> Path:
    """The data of the trained run, and nothing else."""
    for name in ("data.csv", "test.csv"):
        (folder / name).write_bytes((trained.folder / name).read_bytes())
    return folder


def fail_at(call: int, original: Any, error: Exception) -> Any:
    """`original`, but call number `call` (from 1) raises `error`."""
    number = 0

    def fails(*given: Any, **named: Any) -> Any:
        nonlocal number
        number += 1
        if number == call:
            raise error
        return original(*given, **named)

    return fails


def require_same_result(ended: Ended, trained: Trained, folder: Path) -> None:
    assert ended.code == 0, ended.err
    assert ended.json["final_loss"] == pytest.approx(trained.summary["final_loss"], abs=1e-6)
    assert (folder / "run" / "adapter_model.safetensors").exists()
    assert not (folder / ".run.partial").exists()


@pytest.mark.parametrize("error", [FULL, FULL_SAFETENSORS], ids=["system", "safetensors"])
def test_disk_full_at_a_checkpoint(error: Exception, trained: Trained, tmp_path: Path) -> None:
    copy_of(trained, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save_file", fail_at(2, save_file, error))
        ended = lightune(*trained.words, "--json", folder=tmp_path)
    assert ended.code == 2
    assert "the disk is full" in ended.err and "--resume" in ended.err
    assert ended.out == ""
    assert not (tmp_path / "run").exists()
    assert (tmp_path / ".run.partial" / "checkpoint.safetensors").exists()
    require_same_result(lightune(*trained.words, "--resume", "--json", folder=tmp_path), trained, tmp_path)


def test_disk_full_at_the_end(trained: Trained, tmp_path: Path) -> None:
    from lightune.steps import keep

    copy_of(trained, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keep, "write_report", fail_at(1, write_report, FULL))
        ended = lightune(*trained.words, "--json", folder=tmp_path)
    assert ended.code == 2
    assert "could not be saved" in ended.err and "the training is not lost" in ended.err
    assert not (tmp_path / "run").exists()
    require_same_result(lightune(*trained.words, "--resume", "--json", folder=tmp_path), trained, tmp_path)


def test_disk_full_in_the_store(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is a convenience: training goes on without it, and says so."""
    from lightune.engine import sealed

    copy_of(trained, tmp_path)
    monkeypatch.setenv("LIGHTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sealed, "save_array", fail_at(1, sealed.save_array, FULL))
    ended = lightune(*trained.words, "--json", folder=tmp_path)
    assert "disk is full: training goes on without stored activations" in " ".join(ended.err.split())
    assert ended.code == 0
    assert ended.json["final_loss"] == pytest.approx(trained.summary["final_loss"], abs=1e-5)


def test_resume_with_other_settings(trained: Trained, tmp_path: Path) -> None:
    copy_of(trained, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save_file", fail_at(2, save_file, FULL))
        assert lightune(*trained.words, folder=tmp_path).code == 2
    before = paths_in(tmp_path)
    ended = lightune(*trained.words, "--resume", "--seed", "5", folder=tmp_path)
    assert ended.code == 2
    assert "started with other settings" in ended.err and "leave --resume out" in ended.err
    write_csv(tmp_path / "data.csv", list(sentences(64, seed=3)))
    ended = lightune(*trained.words, "--resume", folder=tmp_path)
    assert ended.code == 2
    assert "the data has changed" in ended.err
    assert paths_in(tmp_path) == before
    assert lightune(*trained.words, folder=tmp_path).code == 0  # without --resume it starts again
    assert not (tmp_path / ".run.partial").exists()


def test_output_is_not_overwritten_unasked(trained: Trained, tmp_path: Path) -> None:
    copy_of(trained, tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("keep")
    ended = lightune(*trained.words, folder=tmp_path)
    assert ended.code == 2
    assert "exists already" in ended.err and "--overwrite" in ended.err
    assert paths_in(tmp_path / "run") == {"mine.txt"}
    assert lightune(*trained.words, "--overwrite", folder=tmp_path).code == 0
    assert "mine.txt" not in paths_in(tmp_path / "run")


@pytest.mark.usefixtures("heard_interrupts")
def test_ctrl_c_can_be_resumed(trained: Trained, tmp_path: Path) -> None:
    copy_of(trained, tmp_path)
    words = [*trained.words, "--train.epochs", "400", "--train.patience", "0", "--cache.off", "--quiet"]
    process = subprocess.Popen(command(*words), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    partial = tmp_path / ".run.partial"
    deadline = time.monotonic() + 60
    while not (partial / checkpoint.FILE).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "--resume" in err
    assert not (tmp_path / "run").exists()
    assert (partial / checkpoint.FILE).exists()
    found = checkpoint.load(partial)
    assert found is not None and 0 < found.progress.epoch < 400
