"""`lightune compare`: the ladder on synthetic sentences, with tiny models."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightune import api
from lightune.core.errors import UserError
from lightune.evaluate.paired import paired_bootstrap
from lightune.runs.terminal_chart import dots
from tests.cli.running import command, lightune, paths_in, plain
from tests.making import TinyModel, sentences, task_rows, write_csv

RUNGS = "majority,naive_bayes,tfidf_lr,head,lora"


@dataclass(frozen=True)
class Compared:
    """A ladder that was climbed, and what it said."""

    folder: Path
    model: Path
    summary: dict[str, Any]
    err: str


@pytest.fixture(scope="module")
def compared(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    folder, model = tmp_path_factory.mktemp("compared"), tiny("bert")
    write_csv(folder / "data.csv", list(sentences(150)))
    words = ("--model", model, "--rungs", "lora,head,tfidf-lr,naive_bayes,majority", "--sizes", "40,20")
    split = ("--data.test-fraction", "0.3", "--train.epochs", "2")
    ended = lightune("compare", "data.csv", *words, *split, "--output", "out", "--json", folder=folder)
    assert ended.code == 0, ended.err
    return Compared(folder, model, ended.json, ended.err)


def test_rungs_are_in_order_and_say_quality_and_cost(compared: Compared) -> None:
    rungs = compared.summary["rungs"]
    assert [rung["name"] for rung in rungs] == RUNGS.split(",")
    for rung in rungs:
        low, high = rung["intervals"]["accuracy"]
        assert 0 <= low <= rung["metrics"]["accuracy"] <= high <= 1
        assert rung["seconds"] > 0 and rung["rows_per_second"] > 0 and rung["size_bytes"] > 0
        assert rung["size_bytes"] >= rung["trained_bytes"]
    by_name = {rung["name"]: rung for rung in rungs}
    assert by_name["majority"]["metrics"]["accuracy"] < 0.6 < by_name["tfidf_lr"]["metrics"]["accuracy"]
    weights = (compared.model / "model.safetensors").stat().st_size
    assert by_name["head"]["size_bytes"] == pytest.approx(weights, rel=0.2)
    assert by_name["head"]["settings"]["epochs"] == 2


def test_the_advice_is_the_simplest_that_is_not_beaten(compared: Compared) -> None:
    summary = compared.summary
    figures = {rung["name"]: rung["metrics"]["accuracy"] for rung in summary["rungs"]}
    assert figures[summary["best"]] == max(figures.values())
    assert summary["use"] in {"naive_bayes", "tfidf_lr"}
    assert summary["advice"][0].startswith(f"Use {summary['use']}: accuracy ")
    assert "bootstrap" in summary["rule"] and summary["left_out"] == []


def test_the_curve_has_every_rung_at_every_size(compared: Compared) -> None:
    curve = compared.summary["curve"]
    assert [one["size"] for one in curve] == [20, 40, 106]
    assert all([rung["name"] for rung in one["rungs"]] == RUNGS.split(",") for one in curve)
    tfidf = [one["rungs"][2]["metrics"]["accuracy"] for one in curve]
    assert tfidf[-1] > tfidf[0], "106 labels teach more than 20"


def test_the_curve_says_whether_more_labels_would_help(compared: Compared) -> None:
    assert any("labels" in line and "from 40 to 106" in line for line in compared.summary["advice"])


@pytest.mark.parametrize(
    ("values", "half", "said"),
    [
        ((0.6, 0.7, 0.8), 0.05, "would help: from 200 to 800 labels lora went from 0.700 to 0.800"),
        ((0.6, 0.7, 0.705), 0.01, "would hardly help"),
        ((0.6, 0.7, 0.72), 0.06, "cannot be told"),
    ],
)
def test_what_the_last_labels_brought(values: tuple[float, ...], half: float, said: str) -> None:
    from lightune.steps.verdict import more_labels

    curve = [
        {
            "size": size,
            "rungs": [
                {"name": "lora", "metrics": {"f1": one}, "intervals": {"f1": (one - half, one + half)}}
            ],
        }
        for size, one in zip((100, 200, 800), values, strict=True)
    ]
    assert said in more_labels(curve, "lora", "f1")
    assert more_labels(curve, "head", "f1") == "" == more_labels(curve[:1], "lora", "f1")


def test_the_folder_holds_the_page_the_card_and_the_settings(compared: Compared) -> None:
    out = compared.folder / "out"
    assert paths_in(out) == {"report.html", "README.md", "metrics.json", "run.toml"}
    assert json.loads((out / "metrics.json").read_text())["use"] == compared.summary["use"]
    again = lightune(
        "compare",
        "data.csv",
        "--config",
        "out/run.toml",
        "--rungs",
        "majority",
        "--json",
        folder=compared.folder,
    )
    assert again.json["rows"] == compared.summary["rows"], "run.toml brings the same split"
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 2 and "How many labels each needs" in page
    card = (out / "README.md").read_text()
    assert all(f"| {name} |" in card for name in RUNGS.split(","))
    said = plain(compared.err)
    assert "seconds to train" in said and f"Use {compared.summary['use']}" in said
    assert not [path for path in paths_in(compared.folder) if "partial" in path]


@pytest.mark.parametrize(
    ("task", "metric", "rungs"),
    [
        ("regress", "pearson", "bag_of_words,word_vectors,head"),
        ("pair", "accuracy", "bag_of_words,head"),
        ("multilabel", "f1", "tfidf_lr,head"),
        ("tag", "f1", "word_tags,head"),
        ("retrieve", "recall@1", "tfidf_cosine,head"),
        ("choose", "accuracy", "head"),
    ],
)
def test_other_tasks_have_their_own_rungs(
    task: str, metric: str, rungs: str, tiny: TinyModel, tmp_path: Path
) -> None:
    rows, header, text = task_rows(task, 60)
    data = write_csv(tmp_path / "data.csv", rows, header)
    words = ("--model", tiny("bert"), "--rungs", rungs, "--text", text, "--task", task, "--train.epochs", "1")
    split = ("--data.test-fraction", "0.3", "--output", "out", "--json")
    ended = lightune("compare", data, *words, *split, folder=tmp_path)
    assert ended.code == 0, ended.err
    assert [rung["name"] for rung in ended.json["rungs"]] == rungs.split(",")
    assert ended.json["metric"] == metric
    assert all(metric in rung["intervals"] for rung in ended.json["rungs"])
    assert ended.json["use"] in rungs


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--rungs", "tfidf"), "there is no rung 'tfidf'"),
        (("--rungs", "crf"), "the rung crf does not know the task classify"),
        (("--sizes", "10,5000"), "--sizes cannot hold 5000"),
        (("--sizes", "ten"), "--sizes cannot be 'ten'"),
        (("--method.rank", "4"), "--method.rank belongs to one method"),
        (("--task", "instruct"), "there is no ladder for the task instruct"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(
    words: tuple[str, ...], problem: str, tmp_path: Path
) -> None:
    write_csv(tmp_path / "data.csv", list(sentences(40)))
    begin = time.perf_counter()
    ended = lightune("compare", "data.csv", *words, "--model", "minilm", folder=tmp_path)
    assert ended.code == 2 and problem in plain(ended.err)
    assert time.perf_counter() - begin < 5
    assert paths_in(tmp_path) == {"data.csv"}


def test_a_budget_leaves_out_what_does_not_fit(tiny: TinyModel, tmp_path: Path) -> None:
    write_csv(tmp_path / "data.csv", list(sentences(60)))
    summary = api.compare(
        tmp_path / "data.csv",
        model=str(tiny("bert")),
        rungs=["majority", "full"],
        budget="30s",
        output=str(tmp_path / "out"),
        groups={"train": {"epochs": "10000"}},
    )
    assert [rung["name"] for rung in summary["rungs"]] == ["majority"]
    assert summary["left_out"][0]["name"] == "full" and "of the budget" in summary["left_out"][0]["reason"]
    assert "majority" in summary["advice"][0]


def test_what_only_train_has_is_refused(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", list(sentences(40)))
    with pytest.raises(UserError, match="method belongs to train"):
        api.compare(data, method="lora")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_rung_that_learns_beats_the_majority_on_movies(
    minilm: Path, fetched_data: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fetched_data("movies")
    split = {"limit": "1800", "test_fraction": "0.4"}
    rungs = api.compare("movies", model=str(minilm), groups={"data": split})["rungs"]
    lows = {rung["name"]: rung["intervals"]["accuracy"][0] for rung in rungs}
    most = rungs[0]["metrics"]["accuracy"]
    assert len(rungs) == 11 and [name for name, low in lows.items() if low <= most] == ["majority"]


@pytest.mark.slow
@pytest.mark.usefixtures("heard_interrupts")
def test_ctrl_c_shows_what_is_done_and_leaves_no_folder(tiny: TinyModel, tmp_path: Path) -> None:
    write_csv(tmp_path / "data.csv", list(sentences(60)))
    endless = ("--train.epochs", "10000", "--train.patience", "0")
    words = ("--rungs", "majority,full", "--model", tiny("bert"), *endless)
    with subprocess.Popen(
        command("compare", "data.csv", *words), cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as program:
        seen = ""
        while "majority:" not in seen:
            seen += program.stderr.readline()
        time.sleep(3)
        program.send_signal(signal.SIGINT)
        rest = program.stderr.read()
    assert program.returncode == 130
    assert "rung" in rest and "majority" in rest and "stopped" in rest
    assert paths_in(tmp_path) == {"data.csv"}


def test_the_rule_sees_a_small_but_steady_lead() -> None:
    """Where one is right wherever the other is, and on more rows, the lead is no chance."""
    first = np.arange(400) % 10 < 7
    second = first | (np.arange(400) % 20 == 8)
    found = paired_bootstrap(
        lambda rows: {"accuracy": float(first[rows].mean())},
        lambda rows: {"accuracy": float(second[rows].mean())},
        400,
    )["accuracy"]
    assert found.value == pytest.approx(0.05) and found.low > 0


def test_the_chart_puts_letters_where_they_belong() -> None:
    lines = dots([("cheap", 0.01, 0.5), ("dear", 100, 0.9)], x_name="seconds", y_name="accuracy").splitlines()
    assert lines[0] == "accuracy" and lines[-1].split() == ["a", "cheap", "b", "dear"]
    assert lines[1].rstrip().endswith("b") and lines[14].endswith("|a")
    assert dots([], x_name="seconds", y_name="accuracy") == ""
