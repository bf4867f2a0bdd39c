"""How each task shows a mistake: its own cells, worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lightune.core.events import Mention
from lightune.core.marking import Entity, mark_pair, unmark_pair
from lightune.core.rows import Example, Row
from lightune.core.shown import Mark, Shown
from lightune.core.spans import split_words
from lightune.tasks.answer import Answer
from lightune.tasks.base import Prediction
from lightune.tasks.choose import Choose
from lightune.tasks.event import Event
from lightune.tasks.instruct import Instruct
from lightune.tasks.multilabel import MultiLabel
from lightune.tasks.regress import Regress
from lightune.tasks.relation import Relation
from lightune.tasks.retrieve import Retrieve
from lightune.tasks.tag import Tag
from lightune.tasks.translate import Translate


def test_names_and_numbers() -> None:
    said = MultiLabel().compared(Prediction(["b"], 0.9, {}), Example(("one", "two"), ["a", "b"]))
    texts = {name: cell.text for name, cell in said.items()}
    assert texts == {"Text": "one \u23d0 two", "Right answer": "a, b", "Model's answer": "b"}
    number = Regress()
    assert number.compared(Prediction(2.0, None, {}), Example(("x",), 1.5))["Right answer"].text == "1.5"
    assert number.badness(Prediction(2.0, None, {}), Example(("x",), -1.5)) == 3.5


def test_entities_in_the_text() -> None:
    task = Tag()
    task.labels, task.has_spans = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"), True
    text = "Ada saw Rome"
    example = Example((text,), ("B-PER", "O", "B-LOC"), words=split_words(text))
    said = [{"start": 0, "end": 3, "type": "LOC", "text": "Ada", "probability": 0.9}]
    assert task.compared(Prediction(said, 0.9, {}), example) == {
        "Right answer": Shown(text, (Mark(0, 3, "PER"), Mark(8, 12, "LOC"))),
        "Model's answer": Shown(text, (Mark(0, 3, "LOC"),)),
    }


def test_events_over_the_text() -> None:
    text = "Ada left Rome"
    gold = (Mention((1, 2, "Move"), ((0, 1, "Who"), (2, 3, "From"))),)
    said = [
        {
            "type": "Move",
            "trigger": {"start": 4, "end": 8, "probability": 0.9},
            "arguments": [{"start": 0, "end": 3, "role": "Who"}, {"start": 0, "end": 3, "role": "From"}],
        }
    ]
    found = Event().compared(Prediction(said, 0.9, {}), Example((text,), gold, words=split_words(text)))
    right, wrong = found["Right answer"], found["Model's answer"]
    assert right.marks == (Mark(4, 8, "Move"), Mark(0, 3, "Who"), Mark(9, 13, "From"))
    assert right.notes == ("Move: left; Who: Ada; From: Rome",)
    assert wrong.marks == (Mark(4, 8, "Move"), Mark(0, 3, "Who, From"))
    none = Event().compared(Prediction([], 0.9, {}), Example((text,), gold, words=split_words(text)))
    assert none["Model's answer"] == Shown(text, (), ("no event",))


def test_an_answer_in_its_context_beside_the_right_one() -> None:
    example = Example(("Where?", "Ada left Rome for Oslo."), ((18, "Oslo"),))
    found = Answer().compared(Prediction("Rome", 0.625, {"start": 9}), example)
    assert found["Question"].text == "Where?"
    assert found["Right answer"] == Shown(example.texts[1], (Mark(18, 22, "right", "right"),), ("Oslo",))
    assert found["Model's answer"] == Shown(example.texts[1], (Mark(9, 13, "62%", "wrong"),), ("Rome",))
    nothing = Answer().compared(Prediction("", 0.9, {}), example)["Model's answer"]
    assert nothing == Shown(example.texts[1], (), ("(no answer)",))
    unasked = Answer().compared(Prediction("Rome", 0.6, {"start": 9}), Example(example.texts, ()))
    assert unasked["Right answer"].notes == ("(no answer)",)


def test_options_with_the_right_and_the_chosen_one() -> None:
    example = Example(("Which?",), 2, options=("red", "blue", "green"))
    scores = {"red": 0.5, "blue": 0.3, "green": 0.2}
    cell = Choose().compared(Prediction("red", 0.5, scores), example)["Options"]
    assert cell.text == "red (50%)\nblue (30%)\ngreen (20%)"
    named = [(cell.text[mark.start : mark.end], mark.name, mark.tone) for mark in cell.marks]
    assert named == [("red", "chosen", "wrong"), ("green", "right", "right")]


@pytest.mark.parametrize("kinds", [("PER", "STATE_OR_PROVINCE"), ("", "")])
@pytest.mark.parametrize("places", [((0, 3), (13, 17)), ((13, 17), (0, 3)), ((0, 17), (13, 17))])
def test_marks_are_taken_off_again(kinds: tuple[str, str], places: tuple[Any, Any]) -> None:
    text = "Ada lives in Rome."
    marked, found = mark_pair(text, Entity(*places[0], kinds[0]), Entity(*places[1], kinds[1]))
    plain, head, tail = unmark_pair(marked, found)
    assert plain == text
    assert (head[:2], tail[:2]) == places
    assert tail.kind == kinds[1].replace("_", " ").lower()


def test_a_relation_over_its_text() -> None:
    marked, places = mark_pair("Ada lives in Rome", Entity(0, 3, "PER"), Entity(13, 17))
    found = Relation().compared(Prediction("born_in", 0.8, {}), Example((marked,), "lives_in", words=places))
    assert found["Text"] == Shown("Ada lives in Rome", (Mark(0, 3, "head (per)"), Mark(13, 17, "tail")))
    assert [cell.text for cell in found.values()][1:] == ["lives_in", "born_in"]


def test_a_search_with_what_was_found_and_should_have_been() -> None:
    vectors = np.array([[[1.0, 0.0], [0.6, 0.8]], [[0.0, 1.0], [0.8, 0.6]]])
    examples = [Example(("a", "A")), Example(("b", "B"))]
    task = Retrieve()
    said = task.decode(vectors, examples)[0]
    found = task.compared(said, examples[0])
    assert found["Should be found"] == Shown("A", notes=("cosine 0.600",))
    assert found["Found first"] == Shown("B", notes=("cosine 0.800",))
    assert task.badness(said, examples[0]) == pytest.approx(0.2)


def test_a_text_beside_its_reference_with_its_chrf() -> None:
    from sacrebleu.metrics.chrf import CHRF

    task = Translate()
    example = task.row_to_example(
        Row(0, {"text_en": "the cat", "fr": "le chat"}, ""), ("text_en",), "le chat"
    )
    assert example.texts == ("the cat",), "the text alone, not what the model is told to do with it"
    assert task.source_of(example) == "the cat"
    found = task.compared(Prediction("la chatte", None, {}), example)
    chrf = CHRF().sentence_score("la chatte", ["le chat"]).score
    assert [cell.text for cell in found.values()] == ["the cat", "le chat", "la chatte"]
    assert found["Written by the model"].notes == (f"chrF {chrf:.1f}",)
    near, far = (Instruct().badness(Prediction(one, None, {}), example) for one in ("la chatte", "xyz"))
    assert 0 < near < far == 100
