"""Baselines in a process of their own answer as they do in this one, and are not missed when it fails."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightune.core.progress import Show
from lightune.core.rows import Example
from lightune.request import Request
from lightune.steps import beside
from lightune.steps.baselines import Lesson, run_baselines
from lightune.steps.beside import Beside, begin
from lightune.steps.gather import Gathered, gather
from lightune.steps.measure import answer_simply
from tests.making import sentences, write_csv

QUIET = Show(is_quiet=True)


def lesson(kind: Any = "classes") -> Lesson:
    texts = [("a good warm film", "pos"), ("a bad cold film", "neg"), ("good fun", "pos"), ("bad end", "neg")]
    train = [Example((f"{text} {number}",), gold) for number in range(5) for text, gold in texts]
    return Lesson(train, [Example(("good",), "pos"), Example(("cold and bad",), "neg")], kind)


@pytest.fixture
def gathered(tmp_path: Path) -> Gathered:
    write_csv(tmp_path / "data.csv", list(sentences(40)))
    return gather(Request(data=str(tmp_path / "data.csv")), QUIET)


def test_answers_are_those_of_this_process() -> None:
    found = Beside(lesson()).answers(QUIET)
    here = run_baselines(lesson(), QUIET)
    assert found is not None and len(found) == len(here) > 1
    for one, other in zip(found, here, strict=True):
        assert (one.name, one.predictions, one.size_bytes) == (
            other.name,
            other.predictions,
            other.size_bytes,
        )


def test_a_process_that_fails_is_not_missed(gathered: Gathered, monkeypatch: pytest.MonkeyPatch) -> None:
    here = answer_simply(gathered, QUIET)
    monkeypatch.setattr(beside, "_command", lambda: "raise SystemExit(3)")
    failed = replace(gathered, beside=Beside(lesson()))
    assert failed.beside is not None
    assert failed.beside.answers(QUIET) is None
    again = answer_simply(failed, QUIET)
    assert [one.predictions for one in again] == [one.predictions for one in here]
    monkeypatch.setattr(sys, "executable", str(Path("nowhere")))
    assert Beside(lesson()).answers(QUIET) is None


def test_it_begins_where_there_is_time_to_win(gathered: Gathered, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(data="data.csv")
    monkeypatch.setattr(beside, "LIBRARIES", ("not loaded yet",))
    monkeypatch.setattr(beside, "num_cores", lambda: 2)
    started = begin(request, gathered)
    assert started is not None and started.answers(QUIET)
    planned = begin(request, gathered, is_plan=True)
    assert planned is not None and planned.answers(QUIET) is None, "a plan starts nothing"
    assert begin(replace(request, memory="2GB"), gathered) is None
    monkeypatch.setattr(beside, "MOST_ROWS", 39)
    assert begin(request, gathered) is None, "so many would outlast loading"
    monkeypatch.setattr(beside, "MOST_ROWS", 40)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert begin(request, gathered) is None, "a frozen program would start itself"
    monkeypatch.delattr(sys, "frozen")
    monkeypatch.setattr(beside, "num_cores", lambda: 1)
    assert begin(request, gathered) is None
    monkeypatch.setattr(beside, "num_cores", lambda: 2)
    monkeypatch.setattr(beside, "LIBRARIES", ("sys",))
    assert begin(request, gathered) is None, "with the libraries loaded nothing is won"
