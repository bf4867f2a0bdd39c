"""What a person can do, through the real program on a tiny model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Trained
from tests.cli.running import lightune, lightune_process
from tests.making import sentences, task_rows, write_csv

COMMANDS = [
    ("train",),
    ("plan",),
    ("demo",),
    ("predict",),
    ("evaluate",),
    ("check",),
    ("models", "get"),
    ("models", "path"),
    ("models", "list"),
    ("cache", "show"),
    ("cache", "clear"),
]
TRAIN_KEYS = {
    "task", "method", "model", "output", "metrics", "final_loss", "seconds", "backbone_passes",
    "peak_memory_bytes", "trainable_parameters", "plan", "rungs", "intervals",
}  # fmt: skip


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_an_example(words: tuple[str, ...]) -> None:
    ended = lightune(*words, "--help")
    assert ended.code == 0
    assert f"Example: lightune {' '.join(words)}" in ended.out
    assert "--json" in ended.out and "--quiet" in ended.out
    assert ended.err == ""


@pytest.mark.parametrize("verb", ["train", "plan"])
def test_help_lists_every_setting(verb: str) -> None:
    out = lightune(verb, "--help").out
    for flag in ("--method.rank", "--train.learning-rate", "--data.max-length", "--cache.dtype"):
        assert flag in out
    assert "[derived]" in out


def test_no_command_shows_help() -> None:
    ended = lightune_process(folder=Path.cwd())
    assert ended.code == 2  # nothing was asked for
    assert "train" in ended.out + ended.err and "predict" in ended.out + ended.err


def test_train_json(trained: Trained) -> None:
    summary = trained.summary
    assert summary.keys() >= TRAIN_KEYS
    assert {"read", "tokenize", "activations", "train", "evaluate", "total"} <= summary["seconds"].keys()
    assert summary["metrics"].keys() == {"validation", "test"}
    assert isinstance(summary["metrics"]["test"]["accuracy"], float)
    assert {rung["name"] for rung in summary["rungs"]} == {"majority", "tfidf_lr"}
    assert summary["output"] == "run"
    assert "lightune predict run" in trained.err  # what to do next


def test_evaluate_equals_train(trained: Trained) -> None:
    ended = lightune("evaluate", trained.run, "test.csv", "--json", folder=trained.folder)
    metrics = ended.json["metrics"]
    for name, value in trained.summary["metrics"]["test"].items():
        if name in metrics:
            assert metrics[name]["value"] == pytest.approx(value, abs=1e-9)
            assert metrics[name]["low"] <= metrics[name]["value"] <= metrics[name]["high"]
    assert {"accuracy", "f1"} <= metrics.keys()


def test_plan_json(trained: Trained, tmp_path: Path) -> None:
    data = trained.folder / "data.csv"
    words = ("plan", data, "--model", trained.model, "--method", "lora", "--json", "--quiet")
    ended = lightune(*words, folder=tmp_path)
    assert ended.err == ""
    (row,) = ended.json["methods"]
    assert row.keys() >= {"name", "seconds", "peak_memory_bytes", "trainable_parameters", "cached_depth"}
    assert row["name"] == "lora" and row["seconds"] > 0
    assert list(tmp_path.iterdir()) == []


def test_check_json(tmp_path: Path) -> None:
    rows = [*sentences(30), ("", "pos")]
    write_csv(tmp_path / "a.csv", rows)
    ended = lightune("check", "a.csv", "--json", folder=tmp_path)
    assert ended.code == 0
    assert ended.json["rows"] == 31
    assert ended.json["labels"] == {"neg": 15, "pos": 16}
    (problem,) = ended.json["problems"]
    assert (problem["kind"], problem["file"], problem["line"], problem["row"]) == (
        "empty_text",
        "a.csv",
        32,
        30,
    )
    assert "a.csv:32: empty text" in lightune("check", "a.csv", folder=tmp_path).out


def test_models_and_cache_json(trained: Trained, minilm: Path) -> None:
    assert lightune("models", "path", "minilm", "--json").json.keys() == {"name", "path"}
    listed = {row["name"]: row for row in lightune("models", "list", "--json").json["models"]}
    assert listed["minilm"]["is_here"]
    shown = lightune("cache", "show", "--json").json
    assert shown["bytes"] > 0 and len(shown["entries"]) > 0


def test_quiet_train_says_nothing(trained: Trained, tmp_path: Path) -> None:
    data = trained.folder / "data.csv"
    words = ("train", data, "--model", trained.model, "--train.epochs", "1", "--quiet")
    ended = lightune(*words, folder=tmp_path)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (tmp_path / "runs" / "data-side-1" / "run.toml").exists()


def test_run_toml_repeats_the_run(trained: Trained, tmp_path: Path) -> None:
    words = ("train", "data.csv", "--config", "run/run.toml", "--output", tmp_path / "again", "--json")
    ended = lightune(*words, folder=trained.folder)
    assert ended.code == 0, ended.err
    assert ended.json["final_loss"] == trained.summary["final_loss"]
    assert ended.json["metrics"] == trained.summary["metrics"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_predict_keeps_rows_and_columns(suffix: str, trained: Trained, tmp_path: Path) -> None:
    """More rows than one chunk, with awkward texts, in the order of the input."""
    texts = [text for text, _ in sentences(2100)]
    texts[3:7] = ["", "zzz qqq 漢字 🙂", 'a "quoted", comma', "good " * 3000]
    write_csv(tmp_path / "new.csv", [(n, text) for n, text in enumerate(texts)], ("number", "text"))
    words = ("predict", trained.run, "new.csv", "--output", f"out{suffix}", "--quiet")
    ended = lightune(*words, folder=tmp_path)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    file = tmp_path / f"out{suffix}"
    lines = file.read_text(encoding="utf-8").split("\n")[:-1]
    rows = read_rows(file) if suffix == ".csv" else [json.loads(line) for line in lines]
    assert list(rows[0]) == ["number", "text", "predicted", "probability"]
    assert [int(row["number"]) for row in rows] == list(range(2100))
    assert [row["text"] or "" for row in rows] == texts
    assert {row["predicted"] for row in rows} == {"neg", "pos"}
    assert all(0.5 <= float(row["probability"]) <= 1 for row in rows)
    assert {path.name for path in tmp_path.iterdir()} == {"new.csv", file.name}


def test_predict_from_stdin_to_stdout(trained: Trained) -> None:
    ended = lightune_process(
        "predict",
        trained.run,
        "-",
        "--quiet",
        folder=trained.folder,
        text="text\na great film\nan awful one\n",
    )
    assert (ended.code, ended.err) == (0, "")
    rows = list(csv.DictReader(ended.out.splitlines()))
    assert [row["text"] for row in rows] == ["a great film", "an awful one"]
    assert all(row["predicted"] in {"pos", "neg"} for row in rows)


def test_predict_json_is_one_object(trained: Trained, tmp_path: Path) -> None:
    write_csv(tmp_path / "new.csv", [("fine",), ("dull",)], ("text",))
    ended = lightune("predict", trained.run, "new.csv", "--json", folder=tmp_path)
    assert ended.json["count"] == 2
    assert [row["text"] for row in ended.json["rows"]] == ["fine", "dull"]
    ended = lightune("predict", trained.run, "new.csv", "--json", "--output", "o.csv", folder=tmp_path)
    assert ended.json["output"] == "o.csv"


@pytest.mark.parametrize("task", ["pair", "multilabel", "regress"])
def test_other_tasks(task: str, tiny_bert: Path, tmp_path: Path) -> None:
    rows, header, text = task_rows(task, 40)
    write_csv(tmp_path / "a.csv", rows, header)
    words = ("train", "a.csv", "--text", text, "--model", tiny_bert, "--output", "run", "--train.epochs", "1")
    ended = lightune(*words, "--json", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert ended.json["task"] == task
    ended = lightune("predict", "run", "a.csv", "--output", "o.csv", folder=tmp_path)
    assert ended.code == 0, ended.err
    found = read_rows(tmp_path / "o.csv")
    assert len(found) == 40
    if task == "regress":
        assert all(isinstance(float(row["predicted"]), float) and row["probability"] == "" for row in found)
    if task == "multilabel":
        assert all(isinstance(json.loads(row["predicted"]), list) for row in found)
    ended = lightune("evaluate", "run", "a.csv", "--json", folder=tmp_path)
    wanted = {"pair": "accuracy", "multilabel": "f1", "regress": "pearson"}[task]
    assert wanted in ended.json["metrics"]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import lightune
    from lightune.cli.app import run

    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"lightune {lightune.__version__}"


def test_early_stopping_is_said(tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lightune.cli.app import run
    from tests.making import sentences, write_csv

    data = write_csv(tmp_path / "data.csv", list(sentences(48)))
    flags = "--method head --train.epochs 200 --train.learning-rate 1e-8 --train.patience 2".split()
    assert (
        run(["train", str(data), "--model", str(tiny_bert), "--output", str(tmp_path / "run"), *flags]) == 0
    )
    assert "epochs without a better" in " ".join(capsys.readouterr().err.split())
