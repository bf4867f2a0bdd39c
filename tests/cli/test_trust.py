"""Calibrated probabilities, abstaining and the alarm, through the real program on a tiny model."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lightune.run import load
from tests.cli.running import Ended, lightune, plain
from tests.making import TinyModel, sentences, write_csv

ALIEN = [("0 0 0 0 0 0 0 0 0 0",), ("漢 漢 漢 漢 漢 漢 漢",), ("x y z q w v k j",)] * 4  # fmt: skip


@pytest.fixture(scope="module")
def trained(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """A head trained with 80 validation rows: enough for a temperature and a region."""
    folder = tmp_path_factory.mktemp("trust")
    write_csv(folder / "data.csv", list(sentences(160)))
    write_csv(folder / "held.csv", list(sentences(80, seed=5)))
    write_csv(folder / "test.csv", list(sentences(60, seed=7)))
    files = ("--validation", "held.csv", "--test", "test.csv", "--output", "run")
    words = ("train", "data.csv", "--model", tiny("bert"), "--method", "head", *files, "--json")
    ended = lightune(*words, folder=folder)
    assert ended.code == 0, ended.err
    return folder, ended


def test_a_stored_temperature_is_used(trained: tuple[Path, Ended], tmp_path: Path) -> None:
    folder, ended = trained
    calibration = ended.json["calibration"]
    assert calibration["after"].keys() == {"validation", "test"} and calibration["temperature"] > 0
    hot = shutil.copytree(folder / "run", tmp_path / "hot")
    state = json.loads((hot / "lightune.json").read_text(encoding="utf-8"))
    assert state["task_state"]["temperature"] == calibration["temperature"]
    state["task_state"]["temperature"] = 2.5
    (hot / "lightune.json").write_text(json.dumps(state), encoding="utf-8")
    run = load(hot)
    texts = [text for text, _ in sentences(20, seed=9)]
    logits = run.logits([(text,) for text in texts]) / 2.5
    wanted = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).max(1)
    assert np.allclose([one.probability for one in run.predict(texts)], wanted, atol=1e-6)
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "Before scaling" in page and f"{calibration['temperature']:.3f}" in page


def test_abstaining_leaves_out_the_unsure(trained: tuple[Path, Ended]) -> None:
    folder, _ = trained
    everything = lightune("predict", "run", "test.csv", "--json", folder=folder).json["rows"]
    limit = sorted(row["probability"] for row in everything)[30]
    words = ("predict", "run", "test.csv", "--abstain-below", limit, "--output", "out.csv", "--json")
    ended = lightune(*words, folder=folder)
    assert ended.json["abstained"] == 30 and "30 rows are left without an answer" in plain(ended.err)
    with (folder / "out.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["predicted"] == "" for row in rows] == [float(row["probability"]) < limit for row in rows]


@pytest.mark.parametrize("limit", ["0", "1.5", "-1"])
def test_abstaining_below_no_probability(trained: tuple[Path, Ended], limit: str) -> None:
    ended = lightune("predict", "run", "test.csv", "--abstain-below", limit, folder=trained[0])
    assert ended.code == 2 and "--abstain-below cannot be" in ended.err


def test_alarm_rings_for_other_texts_only(trained: tuple[Path, Ended]) -> None:
    folder, _ = trained
    write_csv(folder / "alien.csv", ALIEN, ("text",))
    like = lightune("predict", "run", "test.csv", "--json", folder=folder)
    other = lightune("predict", "run", "alien.csv", "--json", "--quiet", folder=folder)
    assert not like.json["unusual"]["is_alarm"] and "unlike" not in like.err
    assert other.json["unusual"]["is_alarm"] and other.json["unusual"]["share"] > 0.5
    assert "rows look unlike what the run was trained on" in plain(other.err)


def test_strangeness_ranks_other_texts_above(trained: tuple[Path, Ended]) -> None:
    run = load(trained[0] / "run")
    like = run.strangeness([(text,) for text, _ in sentences(40, seed=11)])
    other = run.strangeness(ALIEN)
    assert np.median(like) < 1 < np.median(other)
    assert run.watch is None


def test_runs_of_before_open_as_they_were(trained: tuple[Path, Ended], tmp_path: Path) -> None:
    """A run folder without temperature and region: probabilities are the plain softmax, no alarm."""
    old = shutil.copytree(trained[0] / "run", tmp_path / "old")
    (old / "familiar.safetensors").unlink()
    state = json.loads((old / "lightune.json").read_text(encoding="utf-8"))
    del state["task_state"]["temperature"]
    state["extra"]["weights"].remove("familiar.safetensors")
    (old / "lightune.json").write_text(json.dumps(state), encoding="utf-8")
    run = load(old)
    logits = run.logits([("a fine film",)])
    wanted = (np.exp(logits) / np.exp(logits).sum()).max()
    assert run.predict(["a fine film"])[0].probability == pytest.approx(wanted)
    assert run.new_watch() is None
