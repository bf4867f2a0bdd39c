"""Simple models of writing and answering: cases worked out by hand, and what a run shows of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightune.core.events import Mention
from lightune.core.rows import Example
from lightune.core.spans import split_words
from lightune.history.copy import Copy
from lightune.history.nearest_text import NearestText
from lightune.history.sliding_window import SlidingWindow
from lightune.history.tfidf_option import TfIdfOption
from lightune.history.trigger_words import TriggerWords
from lightune.steps.baselines import climb
from lightune.tasks.answer import Answer
from lightune.tasks.choose import Choose
from lightune.tasks.event import Event
from lightune.tasks.instruct import Instruct
from tests.making import TinyModel, task_rows, train_tiny, write_csv

CONTEXT = "Ada was born in Rome. Later, Bob the baker moved to Oslo."


def test_copies_and_looks_the_nearest_text_up() -> None:
    train = [Example(("the red house",), "la maison rouge"), Example(("a black cat",), "un chat noir")]
    asked = [Example(("the red car",), "la voiture rouge"), Example(("black cats",), "des chats noirs")]
    assert climb(Copy("text"), train, asked).predictions == ["the red car", "black cats"]
    rung = climb(NearestText("text"), train, asked)
    assert rung.predictions == ["la maison rouge", "un chat noir"]
    metrics, intervals = Instruct().score(rung.predictions, np.zeros(2), asked)
    assert metrics["exact_match"] == 0 and set(metrics) == set(intervals)
    assert metrics["rouge1"] == pytest.approx((2 / 3 + 0) / 2), "la, rouge of three words; chat is not chats"


def test_a_text_without_a_known_word_gets_some_answer() -> None:
    train = [Example(("one",), "eins"), Example(("two",), "zwei")]
    assert (
        climb(NearestText("text"), train, [Example(("",)), Example(("\u4e09",))]).predictions == ["eins"] * 2
    )


def test_the_option_that_shares_words() -> None:
    asked = Example(("The train goes to Oslo. Where does it go?",), 1, options=("Rome", "Oslo", "Bergen"))
    other = Example(("Nothing is shared here",), 2, options=("a", "b"))
    rung = climb(TfIdfOption("options"), [asked], [asked, other])
    assert rung.predictions == [1, 0]
    task = Choose()
    metrics, intervals = task.score(rung.predictions, np.array([1, 1]), [asked, other])
    assert metrics == {"accuracy": 0.5} and intervals["accuracy"][0] < 0.5 < intervals["accuracy"][1]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Where was Ada born?", "in"),  # one word: the nearest of equally rare ones, the first
        ("Where has Bob moved?", "the"),
        ("", "Ada"),
    ],
)
def test_one_word_next_to_those_of_the_question(question: str, answer: str) -> None:
    """Every word stands once, so all weigh log 2: the first run whose window has most of the question's."""
    model = SlidingWindow("text spans").fit([("who", "Ada")], [((0, "Ada"),)])
    assert model.predict([(question, CONTEXT)]) == [answer]


def test_rare_words_weigh_more_and_the_question_is_no_answer() -> None:
    model = SlidingWindow("text spans").fit([("who", "Ada")], [((0, "Ada"),)])
    context = "cat cat cat dog sun"
    assert model.predict([("sun", context)]) == ["dog"]
    assert model.predict([("cat dog sun", context)]) == [""], "nothing but the question's words"
    assert model.predict([("who", "")]) == [""]


def test_no_answer_is_learnt_from_questions_without_one() -> None:
    rows = [("Where was Ada born", CONTEXT), ("Who sang loudly yesterday", CONTEXT)] * 4
    gold: list[Any] = [((13, "in"),), ()] * 4
    model = SlidingWindow("text spans").fit(rows, gold)
    assert model.predict(rows[:2]) == ["in", ""]
    examples = [
        Example(texts, answers, words=split_words(CONTEXT)) for texts, answers in zip(rows, gold, strict=True)
    ]
    metrics, _ = Answer().score(["in", "Rome"], Answer().targets(examples[:2]), examples[:2])
    assert metrics == {"exact_match": 0.5, "f1": 0.5, "f1_answerable": 1.0, "f1_unanswerable": 0.0}


def test_each_words_own_event_and_role() -> None:
    def example(text: str, *events: Mention) -> Example:
        return Example((text,), events, words=split_words(text))

    train = [
        example("Ada left Rome", Mention((1, 2, "Move"), ((0, 1, "Who"), (2, 3, "From")))),
        example("Ada paid Bob", Mention((1, 2, "Pay"), ((0, 1, "Giver"), (2, 3, "Taker")))),
        example("Ada left", Mention((1, 2, "Move"), ((0, 1, "Who"),))),
        example("the left side of Rome"),
    ]
    asked = [
        example("Ada left Bob in Rome", Mention((1, 2, "Move"), ((0, 1, "Who"), (2, 3, "Who")))),
        example("no"),
    ]
    rung = climb(TriggerWords("events"), train, asked)
    assert rung.predictions == [(Mention((1, 2, "Move"), ((0, 1, "Who"), (4, 5, "From"))),), ()]
    task = Event()
    task.learn(train)
    metrics, intervals = task.score(rung.predictions, task.targets(asked), asked)
    assert metrics["trigger_f1"] == 1.0
    assert (metrics["precision"], metrics["recall"]) == (0.5, 0.5)
    assert set(intervals) == set(metrics)


@pytest.mark.parametrize(
    ("task", "model", "names"),
    [
        ("translate", "gpt2", ["untouched model", "copy", "nearest_text"]),
        ("answer", "bert", ["sliding_window"]),
        ("choose", "bert", ["tfidf_option"]),
        ("event", "bert", ["trigger_words"]),
    ],
)
def test_no_result_stands_alone(
    task: str, model: str, names: list[str], tiny: TinyModel, tmp_path: Path
) -> None:
    """Every rung has the run's own metrics, with intervals, and the run is held against the best."""
    rows, header, text = task_rows(task, 24)
    data = write_csv(tmp_path / "data.csv", rows, header=header)
    asked: dict[str, Any] = {
        "data": data,
        "task": task,
        "text": tuple(text.split(",")),
        "label": "label",
        "method": "head",
    }
    if task == "translate":
        asked["method"] = "lora"
    found = train_tiny(tmp_path, tiny(model, num_layers=2), groups={"train": {"epochs": 1}}, **asked)
    assert [rung["name"] for rung in found["rungs"]] == names
    for rung in found["rungs"]:
        if rung["name"] != "untouched model" and task == "translate":
            assert set(rung["metrics"]) == {"bleu", "chrf", "exact_match", "rouge1", "rouge2", "rougeL"}
        else:
            assert set(rung["metrics"]) == set(found["metrics"]["test"])
        assert set(rung["intervals"]) == set(found["intervals"]["test"]) & set(rung["metrics"])
    assert found["advice"]
