"""`pretrain`, `score`, and the language-model side of `generate` and `evaluate`, as a person types them."""

from __future__ import annotations

import json
from math import log
from pathlib import Path

import pytest

from tests.cli.running import Ended, lightune, paths_in

SENTENCES = [
    f"the {animal} {verb} the {thing} ."
    for animal in ("cat", "dog", "cow", "fox")
    for verb in ("saw", "liked", "found", "lost")
    for thing in ("mat", "ball", "tree", "house", "car")
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a synthetic corpus and a run of it."""
    folder = tmp_path_factory.mktemp("language")
    (folder / "corpus.txt").write_text("\n".join(SENTENCES), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(place: Path) -> Ended:
    ended = lightune("pretrain", "corpus.txt", "--output", "run", "--json", "--quiet", folder=place)
    assert ended.code == 0, ended.err
    return ended


def test_pretrain_writes_a_run_and_tells_bits_per_byte(place: Path, trained: Ended) -> None:
    told = trained.json
    assert told["kind"] == "ngram"
    assert 0 < told["metrics"]["validation"]["bits_per_byte"] < 3
    low, high = told["intervals"]["validation"]["bits_per_byte"]
    assert low <= told["metrics"]["validation"]["bits_per_byte"] <= high
    found = paths_in(place / "run")
    assert {"lightune.json", "metrics.json", "README.md", "report.html", "run.toml"} <= found
    assert not [name for name in paths_in(place) if ".partial" in name]
    assert json.loads((place / "run" / "lightune.json").read_text())["language_model"]["kind"] == "ngram"


def test_score_adds_up(place: Path, trained: Ended) -> None:
    (place / "new.csv").write_text("id,text\n1,the cat saw the ball .\n2,a zebra !\n", encoding="utf-8")
    ended = lightune("score", "run", "new.csv", "--page", "page.html", "--json", folder=place)
    first, second = ended.json["rows"]
    for row in (first, second):
        total = sum(log(token["probability"]) for token in row["tokens"])
        assert total == pytest.approx(row["log_probability"], abs=1e-6)
    assert first["bits_per_byte"] < second["bits_per_byte"]
    assert "zebra" in (place / "page.html").read_text(encoding="utf-8")


def test_generate_and_evaluate_take_the_run(place: Path, trained: Ended) -> None:
    ended = lightune("generate", "run", "--prompt", "the cat", "--json", folder=place)
    assert ended.json["texts"][0].startswith((" saw", " liked", " found", " lost"))
    ended = lightune("evaluate", "run", "corpus.txt", "--json", folder=place)
    figures = ended.json["metrics"]["bits_per_byte"]
    assert figures["low"] <= figures["value"] <= figures["high"]
    assert ended.json["metrics"]["perplexity"]["value"] > 1


def test_predict_says_that_this_is_a_language_model(place: Path, trained: Ended) -> None:
    ended = lightune("predict", "run", "corpus.txt", folder=place)
    assert ended.code == 2
    assert "language model" in ended.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"fine\nbad \xff byte\n", "corpus-bad.txt:2"),
        (b"\n\n  \n", "no text"),
        (b"", "no text"),
        (b"word " * 2_100_000, "without a line end"),
        (b"only one line", "--validation"),
    ],
    ids=["broken utf-8", "blank", "empty", "10 MB line", "one text"],
)
def test_bad_corpus_gets_a_clear_message(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "corpus-bad.txt").write_bytes(content)
    ended = lightune("pretrain", "corpus-bad.txt", folder=tmp_path)
    assert ended.code == 2
    assert said in ended.err
    assert paths_in(tmp_path) == {"corpus-bad.txt"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "ngrm"), "'ngram'"),
        (("--pretrain.ordr", "3"), "'order'"),
        (("--pretrain.order", "0"), "--pretrain.order"),
        (("--train.epochs", "3"), "no settings --train"),
        (("--embeddings", "x"), "--embeddings does nothing"),
        (("--held-out", "Emma"), "COLUMN=VALUE"),
    ],
)
def test_mistake_is_told_before_training(place: Path, words: tuple[str, ...], said: str) -> None:
    ended = lightune("pretrain", "corpus.txt", *words, folder=place)
    assert ended.code == 2
    assert said in ended.err


def test_rows_can_be_held_out_by_value(place: Path) -> None:
    rows = "".join(f"{text},{'b' if 'fox' in text else 'a'}\n" for text in SENTENCES)
    (place / "books.csv").write_text("text,book\n" + rows, encoding="utf-8")
    words = ("pretrain", "books.csv", "--held-out", "book=b", "--output", "by-value", "--json")
    ended = lightune(*words, folder=place)
    assert ended.json["texts"] == {"train": 60, "validation": 20}
    ended = lightune("pretrain", "books.csv", "--held-out", "book=c", folder=place)
    assert "Values there: a, b" in ended.err
