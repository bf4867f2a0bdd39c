"""Relations: how pairs are marked, what is measured, what the program answers. All texts are synthetic."""

from __future__ import annotations

import json
import random
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from lightune import load
from lightune.backbones.encode import Limits
from lightune.core.errors import UserError
from lightune.core.marking import Entity, enclose, mark_pair, tag_pair, untag_pair
from lightune.core.rows import Row
from lightune.evaluate.relations import relation_intervals, relation_metrics
from lightune.tasks.relation import Relation
from tests.cli.running import lightune
from tests.making import TinyModel, task_rows, train_tiny

LABELS = ("Cause(e1,e2)", "Cause(e2,e1)", "Other", "Part(e1,e2)", "Part(e2,e1)")


def row(text: str, **values: Any) -> Row:
    return Row(0, {"text": text, **values}, "a.jsonl", 7)


def test_marks_are_plain_signs_and_types() -> None:
    text = "Ada was born in New York."
    head, tail = Entity(0, 3, "PERSON"), Entity(16, 24, "STATE_OR_PROVINCE")
    marked, (first, second) = mark_pair(text, head, tail)
    assert marked == "@ * person * Ada @ was born in # ^ state or province ^ New York #."
    assert marked[slice(*first)] == "@ * person * Ada @"
    assert marked[slice(*second)] == "# ^ state or province ^ New York #"
    turned, _ = mark_pair(text, tail._replace(kind=""), head._replace(kind=""))
    assert turned == "# Ada # was born in @ New York @."


@pytest.mark.parametrize(
    ("head", "tail", "tagged"),
    [
        ((0, 3), (4, 5), "<e1>abc</e1> <e2>d</e2>"),
        ((0, 2), (2, 5), "<e1>ab</e1><e2>c d</e2>"),
        ((0, 5), (0, 2), "<e1><e2>ab</e2>c d</e1>"),
        ((1, 2), (0, 2), "<e2>a<e1>b</e1></e2>c d"),
        ((1, 3), (1, 3), "a<e1><e2>bc</e2></e1> d"),
    ],
)
def test_tags_also_inside_each_other(head: tuple[int, int], tail: tuple[int, int], tagged: str) -> None:
    first, second = Entity(*head), Entity(*tail)
    assert tag_pair("abc d", first, second) == tagged
    assert untag_pair(tagged) == ("abc d", first, second)
    assert enclose("abc d", []) == ("abc d", ())


def test_types_only_where_training_had_them() -> None:
    task, place = Relation(), {"head": {"start": 0, "end": 3, "type": "PER"}, "tail": [7, 11, "LOC"]}
    plain = task.row_to_example(row("Ada in Rome", head=[0, 3], tail=[7, 11]), ("text",), "none")
    task.learn([plain])
    assert task.row_to_example(row("Ada in Rome", **place), ("text",), None).texts == plain.texts
    other = Relation()
    typed = other.row_to_example(row("Ada in Rome", **place), ("text",), "none")
    other.learn([typed])
    again = Relation()
    again.restore(json.loads(json.dumps(other.state())))
    assert again.row_to_example(row("Ada in Rome", **place), ("text",), None).texts == typed.texts
    assert typed.texts == ("@ * per * Ada @ in # ^ loc ^ Rome #",)
    assert again.none == "none"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "no columns head and tail"),
        ({"head": [0, 3]}, "tail is 'None'"),
        ({"head": "Ada", "tail": [7, 11]}, "head is 'Ada'"),
        ({"head": [0, 3], "tail": [7, 12]}, r"tail from 7 to 12 does not lie in the text \(11 characters\)"),
        ({"head": [3, 3], "tail": [7, 11]}, "head from 3 to 3"),
    ],
)
def test_mistakes_have_file_and_line(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        Relation().row_to_example(row("Ada in Rome", **values), ("text",), None)
    assert (caught.value.file, caught.value.line) == ("a.jsonl", 7)


def test_long_texts_keep_both_entities(tiny: TinyModel) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny("bert", num_layers=2))
    filler = "the film was good and we saw it " * 20
    near = row(f"{filler}<e1>Ada</e1> in <e2>Rome</e2>{filler}")
    far = row(f"<e1>Ada</e1> {filler} <e2>Rome</e2>")
    short = row("<e1>Ada</e1> in <e2>Rome</e2>")
    task = Relation()
    examples = [task.row_to_example(one, ("text",), None) for one in (near, far, short)]
    encoded = task.encode(tokenizer, examples, Limits(64, "windows", 4))
    assert encoded.num_long == encoded.num_cut == 2
    assert encoded.tokens.num_examples == len(encoded.tokens.offsets) - 1 == 3
    whole = tokenizer(examples[2].texts[0])["input_ids"]
    for place in range(3):
        start, end = encoded.tokens.offsets[place : place + 2]
        ids = encoded.tokens.ids[start:end].tolist()
        assert len(ids) <= 64
        words = tokenizer.decode(ids).replace(" ", "")
        assert "@ada@" in words
        assert "#rome#" in words
    assert ids == whole


def test_metrics_are_those_of_scikit_learn_without_none() -> None:
    chance = np.random.default_rng(0)
    gold = chance.integers(5, size=200)
    said = np.where(chance.random(200) < 0.6, gold, chance.integers(5, size=200))
    kept = [number for number, label in enumerate(LABELS) if label != "Other"]
    found = relation_metrics(gold, said, LABELS, "Other")
    for name, measure in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        assert found[name] == pytest.approx(measure(gold, said, labels=kept, average="micro"))
    assert found["f1_macro"] == pytest.approx(f1_score(gold, said, labels=kept, average="macro"))
    assert found["accuracy"] == pytest.approx((gold == said).mean())
    assert found["f1_semeval"] == pytest.approx(semeval_by_hand(gold, said))
    intervals = relation_intervals(gold, said, LABELS, "Other")
    assert intervals.keys() == found.keys()
    assert all(low < found[name] < high for name, (low, high) in intervals.items())


def semeval_by_hand(gold: Any, said: Any) -> float:
    """The official scorer's definition, row by row."""
    scores = []
    for base in ("Cause", "Part"):
        is_gold = [LABELS[one].startswith(base) for one in gold]
        is_said = [LABELS[one].startswith(base) for one in said]
        right = sum(one and g == s for one, g, s in zip(is_gold, gold, said, strict=True))
        precision, recall = right / sum(is_said), right / sum(is_gold)
        scores.append(2 * precision * recall / (precision + recall))
    return sum(scores) / len(scores)


def test_a_wrong_direction_is_wrong_in_semeval() -> None:
    gold, turned = np.array([0, 3, 2]), np.array([1, 3, 2])
    assert relation_metrics(gold, gold, LABELS, "Other")["f1_semeval"] == 1
    assert relation_metrics(gold, turned, LABELS, "Other")["f1_semeval"] == 0.5
    assert "f1_semeval" not in relation_metrics(gold, turned, ("a", "b", "c", "d", "e"), "e")


def test_always_none_earns_nothing() -> None:
    gold = np.array([2, 2, 2, 0])
    found = relation_metrics(gold, np.full(4, 2), LABELS, "Other")
    assert found["accuracy"] == 0.75
    assert found["f1"] == found["precision"] == found["recall"] == 0


def test_check_finds_what_is_wrong_by_line(tmp_path: Path) -> None:
    good = [
        {"text": f"Ada {n} in Rome", "head": [0, 3], "tail": [4, 5], "relation": "ab"[n % 2]}
        for n in range(8)
    ]
    bad = [
        {"text": "Ada in Rome", "head": [0, 3], "tail": [9, 14], "relation": "a"},
        {
            "text": "Ada in Rome",
            "head": {"start": 0, "end": 2, "text": "Ada"},
            "tail": [7, 11],
            "relation": "a",
        },
        {"text": "Ada in Rome", "head": [0, 2], "tail": [7, 11], "relation": "b"},
        {"text": "Ada  in Bonn", "head": [0, 3], "tail": [0, 3], "relation": "b"},
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in good + bad), encoding="utf-8")
    found = lightune("check", path, "--json").json
    assert found["task"] == "relation"
    problems = {(one["kind"], one["line"]): one["message"] for one in found["problems"]}
    assert "does not lie in the text" in problems["not_entities", 9]
    assert "'Ada', but 'Ad' stands" in problems["entity_text", 10]
    assert "'b' here and 'a'" in problems["conflicting_labels", 11]
    assert ("same_entity", 12) in problems
    assert ("duplicate_row", 2) not in problems


@pytest.fixture(scope="module")
def trained(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run of two epochs on 60 pairs of JSON lines, its task found out."""
    folder = tmp_path_factory.mktemp("relation")
    rows, header, _ = task_rows("relation", 60)
    path = folder / "pairs.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for one in rows:
            values = dict(zip(header, one, strict=True))
            pair = {name: json.loads(values[name]) for name in ("head", "tail")}
            stream.write(json.dumps({"text": values["text"], **pair, "relation": values["label"]}) + "\n")
    summary = train_tiny(folder, tiny("bert", num_layers=2), data=path, method="head")
    return path, summary


def test_whole_line_with_baselines(trained: tuple[Path, dict[str, Any]]) -> None:
    _, summary = trained
    assert summary["task"] == "relation"
    assert [rung["name"] for rung in summary["rungs"]] == ["majority", "tfidf_lr"]
    expected = {"f1", "f1_macro", "precision", "recall", "accuracy"}
    assert summary["metrics"]["test"].keys() == summary["intervals"]["test"].keys() == expected


def test_predict_writes_pairs_with_their_relation(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    path, summary = trained
    output = tmp_path / "found.jsonl"
    assert lightune("predict", summary["output"], path, "--output", output, "--quiet").code == 0
    found = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert len(found) == 60
    assert list(found[0]) == ["text", "head", "tail", "relation", "probability"]
    assert {one["relation"] for one in found} <= {"likes", "no_relation"}
    measured = lightune("evaluate", summary["output"], path, "--json", "--quiet").json
    assert measured["metrics"]["f1"]["low"] <= measured["metrics"]["f1"]["value"]


def test_python_takes_tagged_texts(trained: tuple[Path, dict[str, Any]]) -> None:
    run = load(trained[1]["output"])
    assert "<e1>Ada</e1>" in (run.folder / "README.md").read_text(encoding="utf-8")
    (one,) = run.predict(["the <e1>film</e1> <e2>3</e2> was good"])
    assert one.label in run.labels
    with pytest.raises(UserError, match="no columns head and tail"):
        run.predict(["the film 3 was good"])


def names(seed: int, number: int) -> list[str]:
    """Made-up names."""
    chance = random.Random(seed)
    return [
        "".join(chance.choice("bdfglmnprst") + chance.choice("aeiou") for _ in range(3))
        for _ in range(number)
    ]


def facts(number: int, seed: int) -> list[dict[str, Any]]:
    """Sentences whose verb decides the relation of two of three names; half of the pairs are other ones."""
    chance, known = random.Random(seed), names(seed, 200)
    verbs = {"works for": "works_for", "lives in": "lives_in", "met": "no_relation"}
    made = []
    for place in range(number):
        verb = list(verbs)[place % 3]
        third, first, second = chance.sample(known, 3)
        text = f"{third} said that {first} {verb} {second}"
        pair, relation = (first, second), verbs[verb]
        if place % 2:
            others = [one for one in permutations((first, second, third), 2) if one != pair]
            pair, relation = chance.choice(others), "no_relation"
        places = [{"start": text.index(one), "end": text.index(one) + len(one)} for one in pair]
        made.append({"text": text, "head": places[0], "tail": places[1], "relation": relation})
    return made


def write_lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return str(path)


def test_learns_five_hundred_and_other_names(tiny: TinyModel, tmp_path: Path) -> None:
    """Synthetic pairs, names in the test set that training never had; the order of the pair matters."""
    data, test = (
        write_lines(tmp_path / "a.jsonl", facts(500, 1)),
        write_lines(tmp_path / "b.jsonl", facts(150, 2)),
    )
    groups = {"train": {"epochs": 20, "learning_rate": 3e-3}}
    model = tiny("bert", num_layers=2)
    found = train_tiny(tmp_path, model, data=data, test=test, method="full", groups=groups)
    assert found["metrics"]["test"]["f1"] >= 0.95
