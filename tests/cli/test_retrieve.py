"""Pairs of texts through the command line: check, train, predict, evaluate, search."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lightune as package
from lightune import methods
from lightune.core import plugins
from tests.cli.running import lightune, plain
from tests.making import TinyModel, sentences, task_rows, write_csv

WORDS = ("film", "plot", "story", "actor", "book", "game", "show", "movie", "good", "bad")


@dataclass(frozen=True)
class Pairs:
    """A run on synthetic pairs, its data, and the object of `--json`."""

    folder: Path
    summary: dict[str, Any]


@pytest.fixture(scope="module")
def pairs(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """Trained once; do not change it."""
    folder = tmp_path_factory.mktemp("pairs")
    rows, _, _ = task_rows("retrieve", 60)
    chapters = [(*row, f"ch{i % 3}") for i, row in enumerate(rows)]
    write_csv(folder / "pairs.csv", chapters, ("en", "zh", "chapter"))
    words: tuple[str, ...] = ("train", "pairs.csv", "--task", "retrieve", "--text", "en,zh")
    words += ("--method", "lora")
    words += ("--model", str(tiny("bert", num_layers=2)), "--output", "run", "--train.epochs", "2")
    ended = lightune(*words, "--json", folder=folder)
    assert ended.code == 0, ended.err
    return Pairs(folder, ended.json)


def rows_of(path: Path) -> list[dict[str, str]]:
    """A CSV file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_train_shows_the_untouched_model_as_a_rung(pairs: Pairs) -> None:
    assert pairs.summary["task"] == "retrieve"
    assert [rung["name"] for rung in pairs.summary["rungs"]] == ["untouched model", "tfidf_cosine"]
    own = {"metrics": pairs.summary["metrics"]["test"], "intervals": pairs.summary["intervals"]["test"]}
    for rung in (own, *pairs.summary["rungs"]):
        for name in ("recall@1", "recall@5", "recall@10", "mrr"):
            low, high = rung["intervals"][name]
            assert 0 <= low <= rung["metrics"][name] <= high <= 1
    assert pairs.summary["rungs"][1]["metrics"]["recall@1"] > 0.9  # the pairs share their words
    card, report = ((pairs.folder / "run" / name).read_text() for name in ("README.md", "report.html"))
    assert "the model untouched" in card
    assert "the model untouched" in report


def test_same_first_text_never_falls_in_two_splits(tmp_path: Path) -> None:
    from lightune.core.progress import Show
    from lightune.request import Request
    from lightune.steps.gather import gather

    rows = [(f"question {i // 4}", f"answer {i}") for i in range(80)]
    data = write_csv(tmp_path / "data.csv", rows, ("query", "positive"))
    found = gather(Request(data=str(data)), Show(is_quiet=True))
    parts = [
        {found.examples[row].texts[0] for row in part} for part in (found.train, found.validation, found.test)
    ]
    assert all(parts)
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert found.task.name == "retrieve"


def test_predict_adds_vectors(pairs: Pairs, tmp_path: Path) -> None:
    texts = [text for text, _ in sentences(5)]
    write_csv(tmp_path / "new.csv", [(text, "x") for text in texts], ("en", "note"))
    run = pairs.folder / "run"
    expected = package.load(run).vectors(texts)
    assert lightune("predict", run, "new.csv", "--output", "out.csv", folder=tmp_path).code == 0
    found = [json.loads(row["vector"]) for row in rows_of(tmp_path / "out.csv")]
    assert np.abs(np.array(found) - expected).max() < 1e-6
    assert np.abs(np.linalg.norm(expected, axis=1) - 1).max() < 1e-6
    assert lightune("predict", run, "new.csv", "--output", "out.jsonl", folder=tmp_path).code == 0
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["note"] for line in lines] == ["x"] * 5
    assert lines[2]["vector"] == found[2]
    assert lightune("predict", run, "new.csv", "--output", "out.parquet", folder=tmp_path).code == 0
    asked = ("predict", run, "new.csv", "--text", "note", "--json")
    assert len(lightune(*asked, folder=tmp_path).json["rows"]) == 5


def test_evaluate(pairs: Pairs) -> None:
    found = lightune("evaluate", pairs.folder / "run", "pairs.csv", "--json", folder=pairs.folder).json
    assert found["rows"] == 60
    assert set(found["metrics"]) == {"recall@1", "recall@5", "recall@10", "mrr"}
    assert found["metrics"]["mrr"]["low"] <= found["metrics"]["mrr"]["value"]


def test_search_finds_the_nearest(pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a product of all vectors does, though the corpus comes in chunks."""
    from lightune.steps import search

    monkeypatch.setattr(search, "CHUNK_ROWS", 7)
    corpus = [text for text, _ in sentences(40, seed=3)]
    queries = [text for text, _ in sentences(6, seed=4)]
    write_csv(tmp_path / "corpus.csv", [(text,) for text in corpus], ("text",))
    write_csv(tmp_path / "queries.csv", [(text,) for text in queries], ("question",))
    run = package.load(pairs.folder / "run")
    similar = run.vectors(queries) @ run.vectors(corpus).T
    words = ("search", pairs.folder / "run", "corpus.csv", "--top", "3", "--queries", "queries.csv")
    found = lightune(*words, "--json", folder=tmp_path).json
    assert found["corpus"] == 40
    assert [one["query"] for one in found["results"]] == queries
    for one, row in zip(found["results"], similar, strict=True):
        best = np.sort(row)[::-1][:3]
        assert [hit["similarity"] for hit in one["hits"]] == pytest.approx(best.tolist(), abs=1e-5)
        assert [corpus[hit["row"]] for hit in one["hits"]] == [hit["text"] for hit in one["hits"]]
        assert [hit["rank"] for hit in one["hits"]] == [1, 2, 3]
    assert lightune(*words, "--output", "hits.csv", folder=tmp_path).code == 0
    written = rows_of(tmp_path / "hits.csv")
    assert len(written) == 18
    assert written[0]["text"] == found["results"][0]["hits"][0]["text"]
    shown = lightune("search", pairs.folder / "run", "corpus.csv", "--query", corpus[8], folder=tmp_path)
    assert f"row 8: {corpus[8]}" in shown.out.splitlines()[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("corpus.csv",), "one query is needed"),
        (("corpus.csv", "--query", "x", "--queries", "corpus.csv"), "one query is needed"),
        (("corpus.csv", "--query", "x", "--top", "0"), "--top cannot be 0"),
        (("corpus.csv", "--query", "x", "--text", "txt"), "no column 'txt'"),
        (("two.csv", "--query", "x"), "--text COLUMN"),
        (("nothing.csv", "--query", "x"), "no such file"),
        (("empty.csv", "--query", "x"), "no rows"),
    ],
)
def test_search_says_what_is_wrong(words: tuple[str, ...], said: str, pairs: Pairs, tmp_path: Path) -> None:
    write_csv(tmp_path / "corpus.csv", [("a",)], ("text",))
    write_csv(tmp_path / "two.csv", [("a", "b")], ("first", "second"))
    write_csv(tmp_path / "empty.csv", [], ("text",))
    ended = lightune("search", pairs.folder / "run", *words, folder=tmp_path)
    assert ended.code == 2
    assert said in plain(ended.err)


def test_other_runs_make_no_vectors(trained: Any, tmp_path: Path) -> None:
    write_csv(tmp_path / "corpus.csv", [("a",)], ("text",))
    ended = lightune("search", trained.run, "corpus.csv", "--query", "x", folder=tmp_path)
    assert ended.code == 2
    assert "makes no vectors" in plain(ended.err)


def test_attention_cannot_pool_vectors(pairs: Pairs, tiny: TinyModel) -> None:
    words: tuple[str, ...] = (
        "train",
        "pairs.csv",
        "--task",
        "retrieve",
        "--text",
        "en,zh",
        "--head",
        "attention",
    )
    ended = lightune(*words, "--model", tiny("bert", num_layers=2), folder=pairs.folder)
    assert ended.code == 2
    assert "fixed pooling" in plain(ended.err)


def test_triplets_and_numbers(tiny: TinyModel, tmp_path: Path) -> None:
    rows, _, _ = task_rows("retrieve", 40)
    model = str(tiny("bert", num_layers=2))
    triplets = [(*row, rows[(i + 3) % 40][1]) for i, row in enumerate(rows)]
    write_csv(tmp_path / "triplets.csv", triplets, ("anchor", "positive", "negative"))
    common = ("--model", model, "--method", "head", "--json")
    found = lightune("train", "triplets.csv", *common, "--output", "one", folder=tmp_path)
    assert found.code == 0, found.err
    assert "triplet_accuracy" in found.json["metrics"]["test"]
    assert "triplet_accuracy" in found.json["rungs"][0]["intervals"]
    scored = [
        (row[0], rows[i if i % 2 else (i + 5) % 40][1], 4 if i % 2 else i / 40) for i, row in enumerate(rows)
    ]
    write_csv(tmp_path / "scored.csv", scored, ("sentence1", "sentence2", "score"))
    words = ("train", "scored.csv", "--task", "retrieve", *common, "--output", "two")
    found = lightune(*words, "--train.epochs", "60", folder=tmp_path)
    assert found.code == 0, found.err
    assert set(found.json["metrics"]["test"]) == {"spearman"}
    assert found.json["epochs"][-1]["train_loss"] < found.json["epochs"][0]["train_loss"]
    run = package.load(tmp_path / "two")
    assert lightune("evaluate", "two", "scored.csv", "--json", folder=tmp_path).json["rows"] == 40
    with pytest.raises(package.UserError, match="one text"):
        run.predict([("a", "b")])


def test_a_vector_is_of_one_column(pairs: Pairs) -> None:
    words = ("predict", pairs.folder / "run", "pairs.csv", "--text", "en,zh")
    ended = lightune(*words, folder=pairs.folder)
    assert ended.code == 2
    assert "one text, not of 2 columns" in plain(ended.err)


def test_lists_of_texts(tmp_path: Path) -> None:
    """Of several in a cell the first is used, and `check` says so."""
    rows = [{"query": f"q {i}", "pos": [f"answer {i}", "other"], "neg": [f"no {i}"]} for i in range(20)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = lightune("check", "data.jsonl", "--json", folder=tmp_path).json
    assert found["task"] == "retrieve"
    assert {one["kind"] for one in found["problems"]} == {"several_texts"}
    from lightune.core.rows import Row
    from lightune.tasks.retrieve import Retrieve

    example = Retrieve().row_to_example(Row(0, rows[3], ""), ("query", "pos", "neg"), 1.0)
    assert example.texts == ("q 3", "answer 3", "no 3")


def test_a_race_folds_and_auto(tiny: TinyModel, tmp_path: Path) -> None:
    rows = [(f"{word} {i}", f"the {word} number {i}") for i in range(50) for word in WORDS]
    write_csv(tmp_path / "data.csv", rows, ("query", "positive"))
    groups = ("--train.epochs", "1", "--data.validation-fraction", "0.2", "--data.max-length", "16")
    words = ("train", "data.csv", "--model", tiny("bert", num_layers=1), *groups, "--json")
    raced = lightune(*words, "--output", "race", folder=tmp_path)
    assert raced.code == 0, raced.err
    assert raced.json["method"] in {"head", "side", "lora"}
    folded = lightune(*words, "--method", "head", "--folds", "2", "--output", "folds", folder=tmp_path)
    assert folded.code == 0, folded.err
    assert "recall@1" in folded.json["folds"]["mean"]


def test_plan_knows_it(pairs: Pairs, tiny: TinyModel) -> None:
    words = ("plan", "pairs.csv", "--task", "retrieve", "--text", "en,zh", "--json")
    found = lightune(*words, "--model", tiny("bert", num_layers=2), folder=pairs.folder)
    assert found.code == 0, found.err
    assert {one["name"] for one in found.json["methods"]} == set(plugins.names(methods))
