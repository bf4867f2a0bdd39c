"""Training learns: real data and a real model, and it is more than the majority, the words, and chance."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightune.data.bundled import path
from tests.making import train_tiny, write_csv
from tests.making_questions import choice_rows, reading_rows

Fetch = Callable[[str], None]


def draw(folder: Path, name: str, num_train: int, num_test: int) -> dict[str, str]:
    """Training and test files with rows drawn from a bundled data set: the `data` and `test` of a request."""
    with path(name).open(encoding="utf-8", newline="") as stream:
        rows = sorted({(row["text"], row["label"]) for row in csv.DictReader(stream)})
    random.Random(0).shuffle(rows)
    parts = {"data": rows[:num_train], "test": rows[num_train : num_train + num_test]}
    return {part: str(write_csv(folder / f"{part}.csv", found)) for part, found in parts.items()}


def train(folder: Path, model: str, drawn: dict[str, str], output: str, **asked: Any) -> dict[str, Any]:
    """A run on drawn rows, its epochs left to the recipe unless asked for."""
    groups = {"train": {}, **asked.pop("groups", {})}
    return train_tiny(folder, Path(model), **drawn, output=str(folder / output), groups=groups, **asked)


@pytest.fixture(scope="module")
def small(minilm: Path, fetched_data: Fetch, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """LoRA on the top two layers, trained on 500 sentences; the same untrained; the same again."""
    fetched_data("movies")
    folder = tmp_path_factory.mktemp("learning")
    drawn = draw(folder, "movies", 500, 200)
    top = {"layers": 2}
    still = {"epochs": 1, "learning_rate": 1e-9}
    return {
        "trained": train(
            folder, "minilm", drawn, "trained", method="lora", groups={"method": top, "train": {"epochs": 3}}
        ),
        "untrained": train(
            folder, "minilm", drawn, "untrained", method="lora", groups={"method": top, "train": still}
        ),
    }


def test_learns_from_few_sentences(small: dict[str, Any]) -> None:
    trained, untrained = small["trained"], small["untrained"]
    accuracy = trained["metrics"]["test"]["accuracy"]
    (majority,) = [one for one in trained["rungs"] if one["name"] == "majority"]
    assert accuracy > 0.70
    assert accuracy > majority["metrics"]["accuracy"] + 0.15
    assert accuracy > untrained["metrics"]["test"]["accuracy"] + 0.10
    assert trained["final_loss"] < trained["epochs"][0]["train_loss"] - 0.05


def test_second_run_reads_nothing_again(small: dict[str, Any]) -> None:
    first, second = small["trained"], small["untrained"]
    assert first["cached_depth"] == second["cached_depth"] == 4
    assert first["sequences_read"] + first["sequences_found"] >= 699
    assert second["sequences_read"] == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_english_reviews(minilm: Path, fetched_data: Fetch, tmp_path: Path) -> None:
    """The shows of issue 2: 0.82 with LoRA on 4,000 movie sentences, beside TF-IDF's 0.78."""
    fetched_data("movies")
    found = train(tmp_path, "minilm", draw(tmp_path, "movies", 4000, 2000), "run", method="lora")
    assert found["metrics"]["test"]["accuracy"] >= 0.82


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_chinese_reviews(fetched_data: Fetch, tmp_path: Path) -> None:
    """0.85 on 4,000 Chinese reviews; the multilingual model is chosen from the texts."""
    from lightune.backbones import catalog
    from lightune.core.progress import Show
    from tests.conftest import network_allowed

    fetched_data("reviews-zh")
    with network_allowed():
        catalog.get("e5-multilingual", Show(is_quiet=True))
    found = train(tmp_path, "auto", draw(tmp_path, "reviews-zh", 4000, 2000), "run", method="lora")
    assert found["model"] == "e5-multilingual"
    assert found["metrics"]["test"]["accuracy"] >= 0.85


def sentences_of(folder: Path, name: str, number: int, test: int) -> dict[str, str]:
    """Training and test files of tagged sentences drawn from a bundled set."""
    found = path(name).read_text(encoding="utf-8").strip("\n").split("\n\n")
    random.Random(0).shuffle(found)
    parts = {"data": found[:number], "test": found[number : number + test]}
    for part, some in parts.items():
        (folder / f"{part}.conll").write_text("\n\n".join(some) + "\n", encoding="utf-8")
    return {part: str(folder / f"{part}.conll") for part in parts}


@pytest.mark.slow
def test_parts_of_speech_of_brown(minilm: Path, fetched_data: Fetch, tmp_path: Path) -> None:
    """3,000 sentences teach MiniLM the parts of speech of 2,000 others to 95% of the words."""
    fetched_data("brown")
    summary = train(tmp_path, "minilm", sentences_of(tmp_path, "brown", 3000, 2000), "run", method="lora")
    assert summary["metrics"]["test"]["accuracy"] >= 0.95
    (simple,) = [one for one in summary["rungs"] if one["name"] != "majority"]
    assert summary["metrics"]["test"]["accuracy"] > simple["metrics"]["accuracy"] + 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "rows_of", "metric"), [("answer", reading_rows, "f1"), ("choose", choice_rows, "accuracy")]
)
def test_questions_about_unseen_names(
    task: str, rows_of: Callable[..., list[dict[str, Any]]], metric: str, minilm: Path, tmp_path: Path
) -> None:
    """500 synthetic rows: what is learnt of some names and places holds of others."""
    drawn = {}
    for part, number, half in (("data", 500, 0), ("test", 200, 1)):
        file = tmp_path / f"{part}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows_of(number, half, seed=half)), "utf-8")
        drawn[part] = str(file)
    summary = train(tmp_path, "minilm", drawn, "run", task=task, method="lora")
    assert summary["metrics"]["test"][metric] >= 0.95
