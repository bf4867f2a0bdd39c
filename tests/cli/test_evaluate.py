"""`evaluate`: two runs, groups, other data, through the real program on tiny models."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightune.run import load
from tests.cli.running import lightune, plain
from tests.making import TinyModel, sentences, task_rows, write_csv


@pytest.fixture(scope="module")
def place(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learnt, one that did not, and test files with a column of sources."""
    folder = tmp_path_factory.mktemp("evaluate")
    write_csv(folder / "data.csv", list(sentences(120)))
    rows = [
        (text, label, "web" if number % 3 else "mail")
        for number, (text, label) in enumerate(sentences(90, 7))
    ]
    write_csv(folder / "test.csv", rows, ("text", "label", "source"))
    write_csv(folder / "other.csv", [(text, "pos" if label == "neg" else "neg") for text, label, _ in rows])
    common = ("train", "data.csv", "--model", tiny("bert"), "--method", "full", "--test", "test.csv")
    good = lightune(
        *common, "--train.epochs", "14", "--train.learning-rate", "3e-3", "--output", "good", folder=folder
    )
    bad = lightune(
        *common, "--train.epochs", "1", "--train.learning-rate", "1e-9", "--output", "bad", folder=folder
    )
    assert (good.code, bad.code) == (0, 0), good.err + bad.err
    return folder


def test_two_runs_are_compared_on_the_same_rows(place: Path) -> None:
    ended = lightune("evaluate", "bad", "good", "test.csv", "--json", folder=place)
    assert ended.code == 0, ended.err
    compared, first = ended.json["compared"], ended.json["metrics"]
    gain = compared["difference"]["accuracy"]
    assert gain["value"] == pytest.approx(
        compared["metrics"]["accuracy"]["value"] - first["accuracy"]["value"]
    )
    assert 0 < gain["low"] <= gain["value"] <= gain["high"]
    mcnemar = compared["mcnemar"]
    assert mcnemar["only_second"] - mcnemar["only_first"] == pytest.approx(90 * gain["value"])
    assert mcnemar["p"] < 0.05 and "The second run is better" in plain(ended.err)


def test_a_run_does_not_differ_from_itself(place: Path) -> None:
    compared = lightune("evaluate", "good", "good", "test.csv", "--json", folder=place).json["compared"]
    assert compared["mcnemar"] == {"only_first": 0, "only_second": 0, "p": 1.0}
    assert "No difference" in compared["verdict"]


def test_groups_make_up_the_whole(place: Path) -> None:
    result = lightune("evaluate", "good", "test.csv", "--by", "source", "--json", folder=place).json
    groups = {one["value"]: one for one in result["groups"]}
    assert {name: one["rows"] for name, one in groups.items()} == {"web": 60, "mail": 30}
    mean = (
        60 * groups["web"]["metrics"]["accuracy"]["value"]
        + 30 * groups["mail"]["metrics"]["accuracy"]["value"]
    ) / 90
    assert mean == pytest.approx(result["metrics"]["accuracy"]["value"])


def test_other_data_and_what_is_lost_there(place: Path) -> None:
    ended = lightune("evaluate", "good", "test.csv", "--shifted", "other.csv", "--json", folder=place)
    shifted, own = ended.json["shifted"], ended.json["metrics"]["accuracy"]["value"]
    assert shifted["metrics"]["accuracy"]["value"] == pytest.approx(
        1 - own
    )  # the same texts, the other labels
    lost = shifted["difference"]["accuracy"]
    assert lost["value"] == pytest.approx(1 - 2 * own) and lost["high"] < 0


def test_python_and_program_agree(place: Path) -> None:
    from lightune.core.rows import Example

    examples = [Example((text,), label) for text, label in sentences(90, 7)]
    result = lightune("evaluate", "good", "test.csv", "--json", folder=place).json
    assert load(place / "good").evaluate(examples) == result["metrics"]
    assert 0 <= result["calibration_error"] <= 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--by", "sauce"), "no column 'sauce'"),
        (("--by", "text"), "which are no groups"),
        (("--shifted", "x.csv"), "no such file"),
    ],
)
def test_mistakes(place: Path, words: tuple[str, ...], message: str) -> None:
    ended = lightune("evaluate", "good", "test.csv", *words, folder=place)
    assert ended.code == 2 and message in plain(ended.err)


def test_runs_of_two_tasks_are_not_compared(place: Path, tiny_bert: Path) -> None:
    rows, header, _ = task_rows("regress", 40)
    write_csv(place / "stars.csv", rows, header)
    words = (
        "train",
        "stars.csv",
        "--model",
        tiny_bert,
        "--method",
        "head",
        "--train.epochs",
        "1",
        "--output",
        "stars",
    )
    assert lightune(*words, folder=place).code == 0
    write_csv(place / "both.csv", [(text, number % 2) for number, (text, _) in enumerate(rows)])
    ended = lightune("evaluate", "stars", "good", "stars.csv", folder=place)
    assert ended.code == 2


def test_changed_texts_and_what_is_lost(place: Path) -> None:
    ended = lightune("evaluate", "good", "test.csv", "--robust", "--json", folder=place)
    assert ended.code == 0, ended.err
    rows = {one["change"]: one for one in ended.json["robust"]}
    assert {"typos", "upper case", "negation", "twice as long"} <= set(rows)
    assert "other names" not in rows  # the texts have none
    assert rows["upper case"]["changed"] == 0  # this model knows no case
    own = ended.json["metrics"]["accuracy"]["value"]
    for one in rows.values():
        assert one["rows"] <= 90 and one["may_turn"] == (one["change"] == "negation")
        loss = one["loss"]["accuracy"]
        assert loss["low"] <= loss["value"] <= loss["high"]
        if one["rows"] == 90:
            assert loss["value"] == pytest.approx(own - one["metrics"]["accuracy"]["value"])
    assert rows["half as long"]["changed"] > 0.02  # the word that decides is gone from short texts
    assert "texts changed" in plain(ended.err)
