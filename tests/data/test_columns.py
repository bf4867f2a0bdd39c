"""Columns, label profiles and languages are found as a person would."""

from __future__ import annotations

from typing import Any

import pytest

from lightune.core.errors import UserError
from lightune.core.rows import Decisions, Row, Splits, Table
from lightune.data.columns import find_columns, label_profile
from lightune.data.language import language
from lightune.request import Request
from lightune.steps.gather import choose_task, columns_of, profile_of


def table(**columns: list[Any]) -> Table:
    names = list(columns)
    rows = [
        Row(n, dict(zip(names, cells, strict=True)), "a.csv", n + 2)
        for n, cells in enumerate(zip(*columns.values(), strict=True))
    ]
    return Table(rows, names, "a.csv", "delimited")


LONG = [f"the film number {n} is rather long" for n in range(20)]
SHORT = ["a", "b"] * 10
IDS = [str(n) for n in range(20)]


@pytest.mark.parametrize(
    ("columns", "text", "label"),
    [
        ({"id": IDS, "text": LONG, "label": SHORT}, ("text",), "label"),
        ({"Sentiment": SHORT, "Review": LONG}, ("Review",), "Sentiment"),
        ({"opinion": LONG, "verdict": SHORT}, ("opinion",), "verdict"),
        ({"评论": LONG, "标签": SHORT}, ("评论",), "标签"),
        ({"sentence1": LONG, "sentence2": LONG, "label": SHORT}, ("sentence1", "sentence2"), "label"),
        ({"premise": LONG, "hypothesis": LONG, "gold_label": SHORT}, ("premise", "hypothesis"), "gold_label"),
        ({"#1 String": LONG, "#2 String": LONG, "Quality": SHORT}, ("#1 String", "#2 String"), "Quality"),
        ({"user_id": SHORT, "words": LONG, "kind_of": ["x", "y", "z", "z"] * 5}, ("words",), "kind_of"),
        ({"question": LONG, "answer": [f"{t} " * 9 for t in LONG], "kind": SHORT}, ("question",), "kind"),
        ({"text": LONG, "score": [n / 7 for n in range(20)]}, ("text",), "score"),
    ],
)
def test_columns_are_found(columns: dict[str, list[Any]], text: tuple[str, ...], label: str) -> None:
    found = find_columns(table(**columns), None, None)
    assert (found.text, found.label) == (text, label)
    assert {decision.what.split()[0] for decision in found.reasons.taken} == {"text", "label"}


def test_choice_is_kept_and_checked() -> None:
    data = table(text=LONG, label=SHORT, other=SHORT)
    found = find_columns(data, ("text",), "other")
    assert (found.text, found.label, found.reasons.taken) == (("text",), "other", [])
    assert find_columns(data, None, "").label is None
    with pytest.raises(UserError, match="Did you mean 'label'"):
        find_columns(data, None, "lable")
    with pytest.raises(UserError, match="both text and label"):
        find_columns(data, ("text",), "text")


@pytest.mark.parametrize(
    ("values", "distinct", "delimiter"),
    [
        (["a|b", "a", "b", "a|b"], {"a": 3, "b": 3}, "|"),
        (["x; y", "y", "x", "x; z", "z"], {"x": 3, "y": 2, "z": 2}, ";"),
        (["news, politics", "other"] * 5, {"news, politics": 5, "other": 5}, None),
        (["1,5", "2,5", "1"], {"1,5": 1, "2,5": 1, "1": 1}, None),
        ([" pos", "neg ", "pos"], {"pos": 2, "neg": 1}, None),
        ([1, 0, 1.0], {"1": 2, "0": 1}, None),
    ],
)
def test_label_profile(values: list[Any], distinct: dict[str, int], delimiter: str | None) -> None:
    profile = label_profile(table(label=values), "label")
    assert (profile.distinct, profile.delimiter) == (distinct, delimiter)


def test_label_profile_of_lists_numbers_and_gaps() -> None:
    lists = label_profile(table(label=[["a", "b"], ["a"], [], None]), "label")
    assert (lists.is_list, lists.distinct, lists.num_missing) == (True, {"a": 2, "b": 1}, 1)
    numbers = label_profile(table(label=["1.5", "", "2", float("nan")]), "label")
    assert (numbers.is_numeric, numbers.num_missing, numbers.num_rows) == (True, 2, 4)
    assert not label_profile(table(label=["1", "inf"]), "label").is_numeric
    assert label_profile(table(label=["a+b", "a"]), "label", delimiter="+").distinct == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("It was a great film and we loved it.", "en"),
        ("great movie", "en"),
        ("这部电影很好看", "zh"),
        ("iPhone 手机质量很好, WiFi 也不错", "zh"),
        ("この映画はとても面白い", "ja"),
        ("이 영화는 정말 재미있다", "ko"),
        ("Отличный фильм", "ru"),
        ("فيلم رائع جدا", "ar"),
        ("Das ist ein sehr guter Film und ich bin nicht müde", "de"),
        ("Le film est très bien et je le recommande pour les enfants", "fr"),
        ("12345 !!!", "other"),
    ],
)
def test_language(text: str, code: str) -> None:
    assert language([text])[0] == code
    assert language([text] * 1500)[0] == code


TARGETS = [f"le film numéro {n} est assez long" for n in range(20)]
WRITTEN: list[tuple[str, dict[str, list[Any]], str, tuple[str, ...], str]] = [
    ("auto", {"en": LONG, "fr": TARGETS}, "translate", ("en",), "fr"),
    ("auto", {"text_de": LONG, "text_en": TARGETS}, "translate", ("text_de",), "text_en"),
    ("auto", {"English": LONG, "French": TARGETS}, "translate", ("English",), "French"),
    ("auto", {"source": LONG, "target": TARGETS}, "translate", ("source",), "target"),
    ("auto", {"src": LONG, "topic": SHORT, "tgt": TARGETS}, "translate", ("src",), "tgt"),
    ("translate", {"id": IDS, "en": LONG, "fr": TARGETS, "chapter": SHORT}, "translate", ("en",), "fr"),
    ("auto", {"prompt": LONG, "response": TARGETS, "topic": SHORT}, "instruct", ("prompt",), "response"),
    ("instruct", {"prompt": LONG, "response": TARGETS, "topic": SHORT}, "instruct", ("prompt",), "response"),
    ("instruct", {"prompt": LONG, "response": SHORT, "label": SHORT}, "instruct", ("prompt",), "response"),
    (
        "instruct",
        {"question": LONG, "category": SHORT, "answer": TARGETS},
        "instruct",
        ("question",),
        "answer",
    ),
    (
        "auto",
        {"instruction": LONG, "input": [""] * 10 + LONG[10:], "output": TARGETS},
        "instruct",
        ("instruction", "input"),
        "output",
    ),
    ("auto", {"text": LONG, "source": TARGETS, "target": SHORT}, "classify", ("text",), "target"),
    ("auto", {"source": LONG, "target": SHORT}, "classify", ("source",), "target"),
    ("auto", {"prompt": LONG, "response": TARGETS, "label": SHORT}, "classify", ("prompt",), "label"),
]


@pytest.mark.parametrize(("asked", "columns", "task", "text", "label"), WRITTEN)
def test_what_is_written_is_found_by_names(
    asked: str, columns: dict[str, list[Any]], task: str, text: tuple[str, ...], label: str
) -> None:
    splits = Splits(train=table(**columns))
    request = Request(data="a.csv", task=asked)
    found = columns_of(request, splits)
    assert (found.text, found.label) == (text, label)
    profile = profile_of(request, splits, found)
    assert choose_task(request, splits, profile, len(found.text), Decisions()) == task


HALVES: list[tuple[dict[str, Any], tuple[tuple[str, ...], str]]] = [
    ({"text": ("fr",)}, (("fr",), "en")),
    ({"label": "de"}, (("en",), "de")),
    ({"text": ("de",), "label": "fr"}, (("de",), "fr")),
]


@pytest.mark.parametrize(("asked", "wanted"), HALVES)
def test_half_a_choice_is_kept(asked: dict[str, Any], wanted: tuple[tuple[str, ...], str]) -> None:
    splits = Splits(train=table(en=LONG, fr=TARGETS, de=TARGETS))
    found = columns_of(Request(data="a.csv", **asked), splits)
    assert (found.text, found.label) == wanted
