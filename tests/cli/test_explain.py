"""`explain`, through the real program on tiny models: words, training examples, page, every kind of task."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.running import lightune, plain
from tests.making import BAD, GOOD, THINGS, TinyModel, task_rows, write_csv

PLANTED = set(GOOD + BAD)


def planted(number: int, seed: int) -> list[tuple[str, str]]:
    """Synthetic sentences of whose words one decides the label, in a place by chance."""
    chance = random.Random(seed)
    rows = []
    for _ in range(number):
        label = chance.choice(("pos", "neg"))
        words = [chance.choice(THINGS) for _ in range(chance.randint(3, 9))]
        words.insert(chance.randint(0, len(words)), chance.choice(GOOD if label == "pos" else BAD))
        rows.append((" ".join(words), label))
    return rows


@pytest.fixture(scope="module")
def place(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learnt synthetic sentences whose label one planted word decides."""
    folder = tmp_path_factory.mktemp("explain")
    write_csv(folder / "data.csv", list(planted(320, 0)))
    write_csv(folder / "test.csv", list(planted(40, 7)))
    words = ("train", "data.csv", "--model", tiny("bert"), "--method", "full", "--test", "test.csv")
    more = (
        "--train.epochs",
        "14",
        "--train.learning-rate",
        "3e-3",
        "--seed",
        "2",  # a tiny network from nothing learns this task from one seed in four
        "--output",
        "run",
        "--json",
    )
    ended = lightune(*words, *more, "--report.explain", "2", folder=folder)
    assert ended.code == 0, ended.err
    assert ended.json["metrics"]["test"]["accuracy"] > 0.9
    return folder


@pytest.fixture(scope="module")
def explained(place: Path) -> list[dict[str, Any]]:
    """The texts of the test file, explained."""
    ended = lightune("explain", "run", "--data", "test.csv", "--limit", "40", "--json", folder=place)
    assert ended.code == 0, ended.err
    found: list[dict[str, Any]] = ended.json["texts"]
    assert len(found) == 40
    return found


def test_the_planted_word_is_what_explains(explained: list[dict[str, Any]]) -> None:
    first = [max(one["words"], key=lambda word: word["attribution"])["text"] for one in explained]
    # One word in seven by chance; MiniLM has 0.95 and more (benchmarks/trust.py), this network is tiny.
    assert np.mean([word in PLANTED for word in first]) >= 0.6


def test_the_parts_make_the_whole(explained: list[dict[str, Any]]) -> None:
    for one in explained:
        assert one["completeness_error"] <= 0.01
        whole = one["score"] - one["empty_score"]
        assert sum(word["attribution"] for word in one["words"]) == pytest.approx(whole, rel=0.0101)
        assert sum(word["attention"] for word in one["words"]) == pytest.approx(1)


def test_deletion_beats_random_orders(explained: list[dict[str, Any]]) -> None:
    faithful = [one["faithfulness"] for one in explained]
    own, chance = (np.mean([one[name] for one in faithful]) for name in ("deletion", "random_deletion"))
    assert own < chance - 0.05 and np.mean([one["beaten"] for one in faithful]) > 0.8
    assert all("elieve" in one["verdict"] or "few words" in one["verdict"] for one in explained)


def test_training_examples_stand_behind_it(explained: list[dict[str, Any]], place: Path) -> None:
    trained_on = {text for text, _ in planted(320, 0)}
    agreeing = []
    for one in explained:
        assert {len(one[name]) for name in ("influence", "against", "neighbours")} == {3}
        for name in ("influence", "against", "neighbours"):
            assert all(other["texts"][0] in trained_on for other in one[name])
        assert one["influence"][0]["score"] > 0 > one["against"][0]["score"]
        agreeing += [other["gold"] == one["predicted"] for other in one["influence"]]
    assert np.mean(agreeing) > 0.9
    again = lightune("explain", "run", "the film was good", "--json", folder=place).json["texts"][0]
    (place / "data.csv").rename(place / "gone.csv")
    try:
        without = lightune("explain", "run", "the film was good", "--json", folder=place)
        assert "training examples are not shown" in plain(without.err)
        assert without.json["texts"][0]["words"] == again["words"]
    finally:
        (place / "gone.csv").rename(place / "data.csv")


def test_page_and_lines(place: Path) -> None:
    text = "the <film> was great & good"
    ended = lightune("explain", "run", text, "--page", "why.html", "--examples", "1", folder=place)
    assert ended.code == 0 and "explained: '" in plain(ended.out) and "great" in ended.out
    page = (place / "why.html").read_text(encoding="utf-8")
    assert "&lt;" in page and "<film>" not in page and ">great</span>" in page
    assert "Training examples most like it" in page


def test_the_report_explains_tested_rows(place: Path) -> None:
    report = (place / "run" / "report.html").read_text(encoding="utf-8")
    section = report.split("Why it said so</h2>")[1].split("<h2>")[0]
    assert section.count("<h3>Row ") == 2 and section.count("the right answer is") == 2
    assert any(f">{word}</span>" in section for word in PLANTED) and "elieve" in section


TASKS = (
    "pair",
    "answer",
    "choose",
    "tag",
    "multilabel",
    "regress",
    "instruct",
    "relation",
    "event",
    "retrieve",
)
PAIRS = {"pair", "answer", "choose"}  # two texts in one sequence
LABELLED = {"pair", "multilabel", "regress", "relation"}  # a class, labels or a number for the whole text


@pytest.mark.parametrize("task", TASKS)
def test_every_kind_of_task(task: str, tiny: TinyModel, tmp_path: Path) -> None:
    rows, header, text = task_rows(task)
    write_csv(tmp_path / "data.csv", rows, header)
    kind = "gpt2" if task == "instruct" else "bert"
    words = ("train", "data.csv", "--task", task, "--text", text, "--model", tiny(kind), "--method", "lora")
    label = ("--label", "label") if "label" in header else ()
    asked = ("--train.epochs", "1", "--report.explain", "1", "--output", "run")
    ended = lightune(*words, *label, *asked, folder=tmp_path)
    assert ended.code == 0, ended.err
    assert "Why it said so" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    more = ("--next-token",) if task == "instruct" else ()
    ended = lightune("explain", "run", "--data", "data.csv", "--limit", "2", "--json", *more, folder=tmp_path)
    assert ended.code == 0, ended.err
    assert len(ended.json["texts"]) == (4 if task == "retrieve" else 2)
    one = ended.json["texts"][0]
    assert one["completeness_error"] <= 0.011 and len(one["words"]) > 2 and one["explained"]
    assert {word["part"] for word in one["words"]} == ({0, 1} if task in PAIRS else {0})
    assert ("influence" in one) == (task in LABELLED)


def test_options_are_given_behind_their_question(tiny: TinyModel, tmp_path: Path) -> None:
    rows, header, text = task_rows("choose")
    write_csv(tmp_path / "data.csv", rows, header)
    words = ("train", "data.csv", "--text", text, "--model", tiny("bert"), "--method", "head")
    assert lightune(*words, "--train.epochs", "1", "--output", "run", folder=tmp_path).code == 0
    ended = lightune("explain", "run", "how was it", "good", "bad", "unclear", "--json", folder=tmp_path)
    [one] = ended.json["texts"]
    assert one["predicted"] in ("good", "bad", "unclear") and one["texts"] == ["how was it", one["predicted"]]
    assert one["explained"] == f"{one['predicted']!r}, the other options as they are"
    ended = lightune("explain", "run", "how was it", "good", "--json", folder=tmp_path)
    assert ended.code == 2 and "two options" in ended.err


def test_marks_of_a_relation_are_no_reasons(tiny: TinyModel, tmp_path: Path) -> None:
    rows, header, text = task_rows("relation")
    write_csv(tmp_path / "data.csv", rows, header)
    words = ("train", "data.csv", "--task", "relation", "--text", text, "--model", tiny("bert"))
    ended = lightune(*words, "--method", "head", "--train.epochs", "1", "--output", "run", folder=tmp_path)
    assert ended.code == 0, ended.err
    tagged = "the <e1>film</e1> 7 was <e2>good</e2>"
    ended = lightune("explain", "run", tagged, "--examples", "0", "--json", folder=tmp_path)
    [one] = ended.json["texts"]
    assert [word["text"] for word in one["words"]] == ["the", "film", "7", "was", "good"]
    assert one["relation"] in ("likes", "no_relation")


def test_nothing_is_stored_where_the_cache_is_off(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTUNE_CACHE", str(place / "cache"))
    stored = place / "cache" / "activations"
    found = []
    for more, is_stored in (("--cache.off",), False), ((), True):
        ended = lightune("explain", "run", "the film was good", "--json", *more, folder=place)
        assert ended.code == 0, ended.err
        assert bool(list(stored.rglob("*.data*"))) == is_stored
        found.append(ended.json["texts"][0]["influence"])
    assert [one["row"] for one in found[0]] == [one["row"] for one in found[1]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing to explain"),
        (("a", "--data", "test.csv"), "texts and a file"),
        (("...",), ""),
        ((" ",), "no word"),
        (("--data", "test.csv", "--limit", "0"), "--limit cannot be 0"),
        (("--data", "test.csv", "--text", "nosuch"), "no column 'nosuch'"),
    ],
)
def test_mistakes_are_told(words: tuple[str, ...], said: str, place: Path) -> None:
    ended = lightune("explain", "run", *words, "--examples", "0", folder=place)
    assert ended.code == (2 if said else 0) and said in plain(ended.err)
