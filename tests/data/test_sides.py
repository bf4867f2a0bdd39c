"""Which columns belong together, and what `check` says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lightune
from lightune.core.errors import UserError
from lightune.data.read import read
from lightune.data.settings import DataSettings
from lightune.data.sides import find_sides
from tests.making import sentences, write_csv

TEXTS = [text for text, _ in sentences(24)]


def pairs(number: int = 12) -> list[tuple[Any, ...]]:
    """Synthetic texts that belong together."""
    return [(TEXTS[i], f"again: {TEXTS[i]}") for i in range(number)]


def checked(path: Path, **asked: Any) -> dict[str, Any]:
    """`lightune check` of a file."""
    return lightune.check(path, **asked)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (("anchor", "positive"), ["anchor", "positive"]),
        (("query", "positive"), ["query", "positive"]),
        (("positive", "Anchor"), ["Anchor", "positive"]),
    ],
)
def test_auto_knows_the_names(header: tuple[str, ...], columns: list[str], tmp_path: Path) -> None:
    found = checked(write_csv(tmp_path / "data.csv", pairs(), header))
    assert found["task"] == "retrieve"
    assert found["columns"] == {"text": columns, "label": None}
    assert found["problems"] == []


def test_auto_knows_triplets(tmp_path: Path) -> None:
    rows = [(*pair, f"never: {pair[0]}") for pair in pairs()]
    found = checked(write_csv(tmp_path / "data.csv", rows, ("anchor", "positive", "negative")))
    assert found["columns"]["text"] == ["anchor", "positive", "negative"]


def test_named_columns_need_no_label(tmp_path: Path) -> None:
    rows = [(*pair, f"chapter {i % 3}") for i, pair in enumerate(pairs())]
    data = write_csv(tmp_path / "data.csv", rows, ("en", "zh", "chapter"))
    assert checked(data, task="retrieve", text=("en", "zh"))["columns"] == {
        "text": ["en", "zh"],
        "label": None,
    }
    with pytest.raises(UserError, match="'nothing'"):
        checked(data, task="retrieve", text=("en", "zh"), label="nothing")


def test_a_number_beside_two_texts_is_a_similarity(tmp_path: Path) -> None:
    rows = [(*pair, i / 10) for i, pair in enumerate(pairs())]
    data = write_csv(tmp_path / "data.csv", rows, ("sentence1", "sentence2", "score"))
    assert checked(data, task="retrieve")["columns"] == {"text": ["sentence1", "sentence2"], "label": "score"}
    assert checked(data)["task"] == "pair" or checked(data)["task"] == "regress"


def test_a_column_of_zeros_and_ones_called_positive_is_a_label(tmp_path: Path) -> None:
    rows = [(text, i % 2) for i, text in enumerate(TEXTS)]
    assert checked(write_csv(tmp_path / "a.csv", rows, ("sentence", "positive")))["task"] == "classify"


def test_unclear_columns_are_asked_for(tmp_path: Path) -> None:
    rows = [(*pair, pair[0][::-1]) for pair in pairs()]
    table = read(str(write_csv(tmp_path / "a.csv", rows, ("u", "v", "w"))), DataSettings()).train
    with pytest.raises(UserError, match="not clear") as caught:
        find_sides(table, None, None)
    assert "u, v, w" in str(caught.value.hint)


def test_check_finds_what_is_wrong_with_sides(tmp_path: Path) -> None:
    rows = [(*pair, f"never: {pair[0]}") for pair in pairs(20)]
    rows[3] = (rows[3][0], rows[3][0].upper(), "something else")
    rows[5] = (rows[5][0], rows[5][1], rows[5][1])
    rows[7] = rows[6]
    rows[9] = (rows[9][0], "", rows[9][2])
    data = write_csv(tmp_path / "data.csv", rows, ("anchor", "positive", "negative"))
    found = {(one["kind"], one["row"], one["line"]) for one in checked(data)["problems"]}
    assert found == {
        ("identical_sides", 3, 5),
        ("own_negative", 5, 7),
        ("duplicate_row", 7, 9),
        ("empty_text", 9, 11),
    }


def test_too_few_pairs_stop_training(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", pairs(4), ("anchor", "positive"))
    assert [one["kind"] for one in checked(data)["problems"] if one["is_fatal"]] == ["too_few_rows"]


def test_one_column_is_no_pair(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", pairs(), ("anchor", "positive"))
    with pytest.raises(UserError, match="two text columns, or three, not 1"):
        checked(data, task="retrieve", text=("anchor",))
