"""`kill -9` at any moment, then --resume: the loss and the bytes of an undisturbed run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.making import TinyModel, sentences, write_csv

DRIVER = Path(__file__).with_name("killed_runs.py")
MIDDLE = {"at": "step", "number": 13, "saves": True}
EARLY = {"at": "step", "number": 3, "saves": False}
FILLING = {"at": "fill", "number": 2}
CASES: dict[str, tuple[str, dict[str, dict[str, Any]], dict[str, Any]]] = {
    "middle of an epoch, cut": ("lora", {"method": {"layers": 1}}, MIDDLE),
    "middle of an epoch, no cut": ("full", {}, MIDDLE),
    "before the first checkpoint": ("lora", {"method": {"layers": 1}}, EARLY),
    "while activations are written": ("lora", {"method": {"layers": 1}}, FILLING),
    "middle of an epoch, head": ("head", {}, MIDDLE),
    "lower layers frozen": ("full", {"speed": {"later_layers": 1}}, MIDDLE),
    "easy rows skipped": ("full", {"speed": {"skip_below": 0.7}}, MIDDLE),
}

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows cannot be asked this way")


@dataclass(frozen=True)
class Ended:
    """An undisturbed run, one that was killed and resumed, and how its two processes ended."""

    whole: Path
    resumed: Path
    killed: dict[str, Any]
    finished: dict[str, Any]


def job(folder: Path, model: Path, case: str, kill: Any, resume: bool = False) -> dict[str, Any]:
    """One training for the driver."""
    method, settings, _ = CASES[case]
    groups = {"train": {"epochs": 4, "batch_rows": 8, "learning_rate": 1e-3}, **settings}
    asked = {"folder": str(folder), "model": str(model), "data": str(folder.parent / "data.csv")}
    asked |= {"groups": groups, "method": method, "output": str(folder / "run"), "resume": resume}
    folder.mkdir(parents=True, exist_ok=True)
    return {"asked": asked, "kill": kill, "cache": str(folder / "cache")}


def drive(jobs: list[dict[str, Any]], cache: Path) -> list[dict[str, Any]]:
    """Run the jobs in the driver."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(DRIVER)],
        input=json.dumps(jobs),
        env={**os.environ, "LIGHTUNE_CACHE": str(cache), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    assert not any(end["code"] for end in found), done.stderr
    return found


@pytest.fixture(scope="module")
def ended(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """All cases, undisturbed, killed and resumed, each with a store of its own."""
    place, model = tmp_path_factory.mktemp("killed"), tiny("bert", num_layers=2)
    write_csv(place / "data.csv", list(sentences(48)))
    folders = {case: (place / f"whole{n}", place / f"cut{n}") for n, case in enumerate(CASES)}
    jobs = []
    for case, (whole, cut) in folders.items():
        jobs += [
            job(whole, model, case, None),
            job(cut, model, case, CASES[case][2]),
            job(cut, model, case, None, resume=True),
        ]
    ends = drive(jobs, place / "cache")
    return {case: Ended(*folders[case], *ends[3 * n + 1 : 3 * n + 3]) for n, case in enumerate(CASES)}


@pytest.mark.parametrize("case", CASES)
def test_resumed_run_equals_the_undisturbed_one(case: str, ended: dict[str, Ended]) -> None:
    one = ended[case]
    assert (one.killed["signal"], one.finished["signal"]) == (signal.SIGKILL, 0)
    # The 13th step is the third of the third epoch, and lost.
    assert one.killed["left"] == ([2, 2] if CASES[case][2] is MIDDLE else None)
    runs = (one.whole / "run", one.resumed / "run")
    found = [json.loads((run / "metrics.json").read_text()) for run in runs]
    assert found[0]["final_loss"] == pytest.approx(found[1]["final_loss"], abs=1e-6)
    assert len(found[0]["epochs"]) == len(found[1]["epochs"])
    files = [{file.name: file.read_bytes() for file in run.glob("*.safetensors")} for run in runs]
    assert files[0]
    assert files[0] == files[1]
    assert not list(one.resumed.glob(".*.partial"))
    if CASES[case][2] is FILLING:  # what was stored before the kill was not read again
        assert found[1]["sequences_read"] + found[1]["sequences_found"] == found[0]["sequences_read"]
