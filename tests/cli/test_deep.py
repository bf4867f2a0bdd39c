"""`check --deep` and `train --data.exclude`, through the real program on a tiny model."""

from __future__ import annotations

import csv
import importlib.util
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightune.core.progress import Show
from lightune.request import Request
from lightune.steps import deep
from lightune.steps.folds import out_of_fold
from lightune.steps.prepare import FEW_ROWS
from tests.cli.running import Ended, lightune, plain
from tests.making import TinyModel, sentences, write_csv

HAS_CLEANLAB = importlib.util.find_spec("cleanlab") is not None
NUM_ROWS = 100


@pytest.fixture(scope="module")
def looked(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """Synthetic rows with a near-duplicate, a leak, a rare source; what was found."""
    folder = tmp_path_factory.mktemp("deep")
    rows = [(text, label, "web") for text, label in sentences(NUM_ROWS)]
    longest = sorted(range(NUM_ROWS), key=lambda row: -len(rows[row][0]))
    rows.append((f"{rows[longest[0]][0]} !", rows[longest[0]][1], "letter"))
    write_csv(folder / "data.csv", rows, ("text", "label", "source"))
    tests = [*sentences(20, seed=7), (f"{rows[longest[1]][0]} ?", rows[longest[1]][1])]
    write_csv(folder / "test.csv", [(*one, "web") for one in tests], ("text", "label", "source"))
    words = ("check", "data.csv", "--deep", "--test", "test.csv", "--model", tiny("bert"), "--method", "head")
    return folder, lightune(*words, "--output", "found.csv", "--json", folder=folder)


def found_rows(folder: Path, kind: str) -> list[int]:
    with (folder / "found.csv").open(encoding="utf-8") as stream:
        return [int(one["row"]) for one in csv.DictReader(stream) if one["kind"] == kind]


def test_alike_rows_are_found(looked: tuple[Path, Ended]) -> None:
    folder, ended = looked
    assert ended.code == 0, ended.err
    assert NUM_ROWS in found_rows(folder, "near_duplicate")
    assert found_rows(folder, "leak")
    assert found_rows(folder, "small_group") == [NUM_ROWS]  # one row has the source `letter`
    assert (folder / "found.html").read_text(encoding="utf-8").count("<tr") > 3
    counts = ended.json["deep"]["counts"]
    assert sum(counts.values()) == len(ended.json["deep"]["findings"])
    assert ended.json["deep"]["network"] == "head"


@pytest.mark.skipif(HAS_CLEANLAB, reason="cleanlab is installed")
def test_without_cleanlab_the_rest_is_done_and_the_command_told(looked: tuple[Path, Ended]) -> None:
    assert "pip install 'lightune[trust]'" in plain(looked[1].err)
    assert "cleanlab" in looked[1].json["deep"]["skipped"][0]


@pytest.mark.slow
@pytest.mark.skipif(not HAS_CLEANLAB, reason="needs lightune[trust]")
def test_wrong_labels_are_among_the_findings(minilm: Path, tmp_path: Path) -> None:
    rows, wrong = list(sentences(240)), {12, 33, 90}
    for row in wrong:
        rows[row] = (rows[row][0], "neg" if rows[row][1] == "pos" else "pos")
    write_csv(tmp_path / "data.csv", rows)
    words = ("check", "data.csv", "--deep", "--model", minilm, "--output", "found.csv")
    ended = lightune(*words, folder=tmp_path)
    assert ended.code == 0, ended.err
    assert wrong <= set(found_rows(tmp_path, "label_error"))


@pytest.mark.parametrize(
    ("seconds", "network", "folds"), [(900.0, "full", 5), (350.0, "full", 3), (150.0, "side", 3)]
)
def test_a_network_that_takes_too_long_gives_way(
    seconds: float,
    network: str,
    folds: int,
    tiny: TinyModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """First to fewer folds, then to a cheaper one: all epochs on all rows are said to take 100 s here."""
    monkeypatch.setattr(deep, "_seconds_of_training", lambda *_: 100.0)
    monkeypatch.setattr(deep, "MOST_SECONDS", seconds)
    data = write_csv(tmp_path / "data.csv", sentences(FEW_ROWS))
    groups = {"train": {"epochs": "1"}}
    asked = Request(data=str(data), model=str(tiny("bert")), groups=groups)
    found = deep.look_deeper(asked, str(tmp_path / "found.csv"), Show(is_quiet=True))["deep"]
    assert (found["network"], found["folds"]) == (network, folds)


@pytest.mark.skipif(not HAS_CLEANLAB, reason="needs lightune[trust]")
def test_rows_are_asked_about_after_every_epoch_of_their_fold(
    tiny: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[np.ndarray] = []

    def kept_too(*given: Any) -> np.ndarray:
        kept.append(out_of_fold(*given))
        return kept[-1]

    monkeypatch.setattr(deep, "out_of_fold", kept_too)
    data = write_csv(tmp_path / "data.csv", sentences(60))
    asked = Request(data=str(data), model=str(tiny("bert")), method="head", groups={"train": {"epochs": "3"}})
    deep.look_deeper(asked, str(tmp_path / "found.csv"), Show(is_quiet=True))
    [logits] = kept
    assert logits.shape == (3, 60, 2) and np.abs(logits).min() > 0, "every row, after every epoch"
    assert all((before != after).any(axis=1).all() for before, after in pairwise(logits))


def test_excluded_rows_are_not_trained_on(looked: tuple[Path, Ended], tiny: TinyModel) -> None:
    folder, _ = looked
    common = (
        "train",
        "data.csv",
        "--model",
        tiny("bert"),
        "--test",
        "test.csv",
        "--method",
        "head",
        "--json",
    )
    whole = lightune(*common, "--output", "whole", folder=folder).json
    less = lightune(*common, "--output", "less", "--data.exclude", "found.csv", folder=folder).json
    gone = next(one for one in less["decisions"] if one["what"] == "rows not trained on")
    assert less["rows"]["train"] == whole["rows"]["train"] - int(gone["value"]) < whole["rows"]["train"]
    assert less["rows"]["validation"] == whole["rows"]["validation"]


def test_without_examples_no_text_is_quoted(looked: tuple[Path, Ended], tiny: TinyModel) -> None:
    folder, _ = looked
    words = ("check", "data.csv", "--deep", "--test", "test.csv", "--model", tiny("bert"), "--method", "head")
    more = ("--output", "quiet.csv", "--report.examples", "off", "--json")
    ended = lightune(*words, *more, folder=folder)
    assert ended.code == 0, ended.err
    loud, quiet = ((folder / name).read_text(encoding="utf-8") for name in ("found.csv", "quiet.csv"))
    texts = [text for text, _ in sentences(NUM_ROWS)]
    assert any(text[:60] in loud for text in texts)
    for page in (quiet, (folder / "quiet.html").read_text(encoding="utf-8"), ended.out):
        assert "nearly the same text" in page and not any(text[:60] in page for text in texts)


def test_flags_of_the_deep_check_alone_are_refused(looked: tuple[Path, Ended]) -> None:
    ended = lightune("check", "data.csv", "--output", "x.csv", folder=looked[0])
    assert ended.code == 2 and "without --deep" in ended.err
