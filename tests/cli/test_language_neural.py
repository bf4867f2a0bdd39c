"""`pretrain` of a neural kind and what can be done with its run, as a person types it."""

from __future__ import annotations

from math import log
from pathlib import Path

import pytest

from tests.cli.running import Ended, lightune, paths_in
from tests.cli.test_language import SENTENCES

SMALL = ("--pretrain.layers", "1", "--pretrain.width", "32", "--train.precision", "float32")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a synthetic corpus."""
    folder = tmp_path_factory.mktemp("neural")
    (folder / "corpus.txt").write_text("\n".join(SENTENCES), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(place: Path) -> Ended:
    words = ("--kind", "gpt", *SMALL, "--train.epochs", "12", "--output", "run", "--json", "--quiet")
    ended = lightune("pretrain", "corpus.txt", *words, folder=place)
    assert ended.code == 0, ended.err
    return ended


def test_run_is_told_and_written(place: Path, trained: Ended) -> None:
    told = trained.json
    assert told["facts"]["architecture"] == "LlamaForCausalLM"
    assert len(told["history"]) == 10
    assert told["history"][-1]["bits_per_byte"] < told["history"][0]["bits_per_byte"]
    assert len(told["samples"]) == 10
    found = paths_in(place / "run")
    assert {"config.json", "model.safetensors", "tokenizer.json", "lightune.json", "report.html"} <= found
    assert not [name for name in paths_in(place) if "checkpoint" in name or ".partial" in name]
    report = (place / "run" / "report.html").read_text(encoding="utf-8")
    assert report.count("<polyline") == 2, "bits per byte and training loss"
    assert "What it writes" in report


def test_score_generate_and_evaluate(place: Path, trained: Ended) -> None:
    ended = lightune("score", "run", "corpus.txt", "--json", "--quiet", folder=place)
    for row in ended.json["rows"][:3]:
        total = sum(log(token["probability"]) for token in row["tokens"])
        assert total == pytest.approx(row["log_probability"], abs=1e-6)
    words = ("--prompt", "the cat", "--temperature", "0.7", "--top-k", "20", "--top-p", "0.9", "--json")
    ended = lightune("generate", "run", *words, folder=place)
    assert ended.json["texts"][0].strip()
    ended = lightune("evaluate", "run", "corpus.txt", "--json", "--quiet", folder=place)
    assert 0 < ended.json["metrics"]["bits_per_byte"]["value"] < 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "gpt", "--pretrain.heads", "5"), "cannot be divided"),
        (("--kind", "lstm", "--embeddings", "nowhere"), "no word vectors"),
        (("--kind", "lstm", "--model", "minilm"), "--model does nothing for lstm"),
        (("--kind", "bert", "--pretrain.hidden", "2"), "--pretrain.hidden"),
    ],
)
def test_mistake_is_told_before_anything_is_cut(place: Path, words: tuple[str, ...], said: str) -> None:
    ended = lightune("pretrain", "corpus.txt", *words, "--output", "wrong", folder=place)
    assert ended.code == 2
    assert said in ended.err
    assert "cutting" not in ended.err


def test_bert_is_measured_on_a_part(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightune.steps.pretrain.PSEUDO_BYTES", 100)
    words = ("--kind", "bert", *SMALL, "--train.epochs", "1", "--output", "bert", "--json", "--quiet")
    ended = lightune("pretrain", "corpus.txt", *words, folder=place)
    assert ended.code == 0, ended.err
    assert ended.json["is_pseudo"]
    assert ended.json["metrics"]["validation"]["bits_per_byte"] > 0
    told = {what: value for what, value, _ in ended.json["decisions"]}
    assert 1 <= int(told["measured at the end"].split()[1]) < ended.json["texts"]["validation"]
