"""Events: two readings of a sentence, what is measured, what is learnt. All texts are synthetic."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightune import load
from lightune.backbones.encode import Limits
from lightune.core.errors import UserError
from lightune.core.readings import Asked
from lightune.core.rows import Example, Row
from lightune.tasks.event import NEVER, Event, Gold
from tests.cli.running import lightune
from tests.making import TinyModel, train_tiny
from tests.tasks.test_relation import names, write_lines

TEXT = "Ada (28) hit Bob and fled."


def event(kind: str, trigger: str, **roles: str) -> dict[str, Any]:
    """An event of `TEXT`."""

    def place(piece: str) -> dict[str, int]:
        return {"start": TEXT.index(piece), "end": TEXT.index(piece) + len(piece)}

    arguments = [{**place(piece), "role": role} for role, piece in roles.items()]
    return {"type": kind, "trigger": place(trigger), "arguments": arguments}


EVENTS = [
    event("Attack", "hit", Agent="Ada", Target="Bob"),
    event("Flight", "fled", Agent="Ada (28)"),
]


def example(task: Event, events: list[dict[str, Any]] | None, text: Any = TEXT) -> Example:
    return task.row_to_example(Row(0, {"text": text}, "a.jsonl", 7), ("text",), events)


@pytest.fixture
def task() -> Event:
    """A task that has learnt from one example."""
    made = Event()
    made.learn([example(made, EVENTS)])
    return made


def test_labels_and_roles(task: Event) -> None:
    kinds = ["trigger:Attack", "trigger:Flight", "role:Agent", "role:Target"]
    assert task.labels == ("O", *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))
    assert task.roles == {"Attack": ("Agent", "Target"), "Flight": ("Agent",)}
    again = Event()
    again.restore(json.loads(json.dumps(task.state())))
    assert (again.labels, again.roles) == (task.labels, task.roles)


def readings(task: Event, model: Path, one: Example, length: int) -> list[tuple[str, str]]:
    """(the whole sequence, the words that are answered for) of every sequence of an example."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokens = task.encode(tokenizer, [one, one], Limits(length, "windows", 8)).tokens
    assert tokens.num_examples == 2
    assert tokens.units is not None
    assert task.weigh(tokens, np.arange(2)) == (tokens.units >= 0).sum()
    found = []
    for sequence in range(*tokens.windows[:2]):
        inside = slice(*tokens.offsets[sequence : sequence + 2])
        ids, units = tokens.ids[inside], tokens.units[inside]
        found.append((tokenizer.decode(ids), tokenizer.decode(ids[units >= 0])))
    return found


def test_reads_once_more_for_every_trigger(task: Event, tiny: TinyModel) -> None:
    model = tiny("bert", num_layers=2)
    first, attack, flight = readings(task, model, example(task, EVENTS), 128)
    own = first[1]
    assert own.replace(" ", "").startswith("a(2)hbandf")  # the first token of each word
    assert attack[1] == flight[1] == own, "marks and the type's name are not answered for"
    assert attack[0].replace(" ", "") == "[CLS]attack:ada(28)[hit]bobandfled.[SEP]"
    assert flight[0].replace(" ", "") == "[CLS]flight:ada(28)hitboband[fled].[SEP]"
    blind = example(task, None)
    assert readings(task, model, blind, 128) == [first]
    asked = Example(blind.texts, Asked(((4, 5, "Attack"),)), words=blind.words)
    assert readings(task, model, asked, 128) == [attack]


def test_every_word_is_answered_once_in_windows(task: Event, tiny: TinyModel) -> None:
    model = tiny("bert", num_layers=2)
    one = example(task, EVENTS)
    whole, cut = readings(task, model, one, 128), readings(task, model, one, 16)
    assert len(cut) > len(whole) == 3
    assert " ".join(own for _, own in cut).split() == " ".join(own for _, own in whole).split()


def test_gold_answers_come_back(task: Event) -> None:
    one = example(task, EVENTS)
    (gold,) = task.targets([one])
    assert gold.tags.shape == (3, len(one.words))
    logits = task.as_logits([gold.tags])
    (said,) = task.decode(logits, [one])
    assert [plain(found) for found in said.label] == EVENTS
    assert said.label[0]["arguments"][1]["text"] == "Bob"
    assert said.label[0]["trigger"]["probability"] > 0.99
    assert task.is_right(said, one)
    found = task.metrics(logits, task.targets([one]))
    assert found["f1"] == found["trigger_f1"] == 1
    assert found.keys() == task.intervals(logits, task.targets([one])).keys()


def plain(found: dict[str, Any]) -> dict[str, Any]:
    """An event as it was given."""
    kept = ("start", "end", "role")
    arguments = [{key: one[key] for key in kept} for one in found["arguments"]]
    trigger = {key: found["trigger"][key] for key in kept[:2]}
    return {"type": found["type"], "trigger": trigger, "arguments": arguments}


def test_metrics_count_as_ace_does(task: Event) -> None:
    """An argument is right by its place, its role and the type of its event."""
    one = example(task, EVENTS)
    said = [
        event("Attack", "hit", Agent="Ada", Target="28"),
        event("Attack", "fled", Target="Bob"),
    ]
    (tags,) = (gold.tags for gold in task.targets([example(task, said)]))
    found = task.metrics(task.as_logits([tags]), task.targets([one]))
    assert (found["trigger_precision"], found["trigger_recall"]) == (1 / 2, 1 / 2)
    # Ada is right; Bob is a target of an attack too, though of another trigger; 28 is wrong
    assert (found["precision"], found["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_roles_of_missed_triggers_are_missed(task: Event) -> None:
    """Logits of gold triggers must not be counted where none was found."""
    one = example(task, EVENTS)
    gold = task.targets([one])
    tags = gold[0].tags.copy()
    tags[0] = 0
    logits = task.as_logits([tags])
    assert task.second_round(logits, [one]) == []
    merged = task.merge_rounds(logits, np.empty(0, dtype=object), [one])
    assert merged[0].shape == (len(one.words), len(task.labels))
    found = task.metrics(merged, gold)
    assert found["f1"] == found["recall"] == found["trigger_f1"] == 0


def test_second_round_asks_about_what_was_found(task: Event) -> None:
    one, blind = example(task, EVENTS), example(task, None, "Nothing here")
    width = len(one.words)
    (gold,) = task.targets([one])
    logits = np.empty(2, dtype=object)
    logits[0] = np.zeros((len(blind.words), len(task.labels)))
    logits[0][:, 0] = 1
    logits[1] = task.as_logits([gold.tags])[0]
    (asked,) = task.second_round(logits, [blind, one])
    assert asked.gold == Asked(((4, 5, "Attack"), (7, 8, "Flight")))
    second = np.empty(1, dtype=object)
    second[0] = logits[1][width:]
    merged = task.merge_rounds(logits, second, [blind, one])
    assert np.array_equal(merged[1], logits[1])
    assert len(merged[0]) == len(blind.words)


def test_only_roles_of_the_type_are_found(task: Event) -> None:
    one = example(task, EVENTS)
    (gold,) = task.targets([one])
    tags = gold.tags.copy()
    tags[2] = tags[1]  # a flight with an agent and, as no flight in training, a target
    (said,) = task.decode(task.as_logits([tags]), [one])
    assert [part["role"] for part in said.label[1]["arguments"]] == ["Agent"]


def test_loss_of_a_reading_is_among_its_tags(task: Event) -> None:
    import torch

    gold = task.targets([example(task, EVENTS)])
    wanted = torch.as_tensor(task.join(gold))
    logits = torch.zeros(len(wanted), len(task.labels))
    losses = task.loss(logits, wanted)
    width = gold[0].tags.shape[1]
    assert losses[:width] == pytest.approx(np.log(5))  # O, and B and I of two types; the same for roles
    assert losses[width:] == pytest.approx(np.log(5))
    assert NEVER < -1000


def test_unseen_types_are_missed_and_too_many_refused(task: Event) -> None:
    other = example(task, [*EVENTS, event("Injury", "Bob")])
    (gold,) = task.targets([other])
    assert isinstance(gold, Gold)
    assert (gold.tags[0] == -1).sum() == 1
    assert len(gold.triggers) == 3
    with pytest.raises(UserError, match="1 of 1 events are of types"):
        task.targets([example(task, [event("Injury", "Bob")])])


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ("none", "'none' is no list of events"),
        ([{"type": "Go"}], "is no list of events"),
        ([{"type": "Go", "trigger": {"start": 20, "end": 40}}], "Go from 20 to 40 does not lie in the text"),
    ],
)
def test_mistakes_have_file_and_line(events: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        example(Event(), events)
    assert (caught.value.file, caught.value.line) == ("a.jsonl", 7)


def stories(number: int, seed: int) -> list[dict[str, Any]]:
    """Sentences with one event, two or none; the verb decides the type, the place the role."""
    chance, known = random.Random(seed), names(seed, 200)
    verbs = {"met": "Meet", "left": "Leave", "knows": None}
    roles = {"Meet": ("one", "other"), "Leave": ("who", "from")}
    made = []
    for _ in range(number):
        parts, events, at = [], list[dict[str, Any]](), 0
        for _ in range(chance.choice((1, 1, 2))):
            verb = chance.choice(list(verbs))
            first, second = chance.sample(known, 2)
            places = [(0, len(first)), (len(first) + 1, len(first) + 1 + len(verb))]
            places.append((places[1][1] + 1, places[1][1] + 1 + len(second)))
            kind = verbs[verb]
            if kind:
                one, trigger, other = ({"start": at + a, "end": at + b} for a, b in places)
                arguments = [one | {"role": roles[kind][0]}, other | {"role": roles[kind][1]}]
                events.append({"type": kind, "trigger": trigger, "arguments": arguments})
            parts.append(f"{first} {verb} {second}")
            at += len(parts[-1]) + len(" and ")
        made.append({"text": " and ".join(parts), "events": events})
    return made


@pytest.fixture(scope="module")
def learnt(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """(a test file of names never seen, the summary of a run on 500 sentences)."""
    folder = tmp_path_factory.mktemp("event")
    data = write_lines(folder / "a.jsonl", stories(500, 1))
    test = write_lines(folder / "b.jsonl", stories(150, 2))
    groups = {"train": {"epochs": 24, "learning_rate": 5e-3, "patience": 0}}
    model = tiny("bert", num_layers=2)
    return Path(test), train_tiny(folder, model, data=data, test=test, method="full", groups=groups)


def test_learns_five_hundred_and_other_names(learnt: tuple[Path, dict[str, Any]]) -> None:
    summary = learnt[1]
    assert summary["task"] == "event"
    (plain,) = summary["rungs"]
    assert plain["name"] == "trigger_words"
    assert (plain["metrics"]["trigger_f1"], plain["metrics"]["f1"]) == (1.0, 0.0), "it knows no new names"
    assert summary["metrics"]["test"]["trigger_f1"] >= 0.95
    assert summary["metrics"]["test"]["f1"] >= 0.95


def test_run_measures_and_answers_alike(learnt: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """Where gold events are known and where they are not, the same triggers are asked about."""
    test, summary = learnt
    run, output = summary["output"], tmp_path / "said.jsonl"
    measured = lightune("evaluate", run, test, "--json", "--quiet").json["metrics"]
    assert measured["f1"]["value"] == pytest.approx(summary["metrics"]["test"]["f1"])
    assert lightune("predict", run, test, "--output", output, "--quiet").code == 0
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    gold = [json.loads(line) for line in test.read_text(encoding="utf-8").splitlines()]
    said, known = (arguments_of(one) for one in (rows, gold))
    found = 2 * len(said & known) / (len(said) + len(known))
    assert found == pytest.approx(measured["f1"]["value"])
    texts = [one["text"] for one in gold]
    assert [one.label for one in load(run).predict(texts)] == [row["events"] for row in rows]


def arguments_of(rows: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    return {
        (number, one["type"], part["start"], part["end"], part["role"])
        for number, row in enumerate(rows)
        for one in row["events"]
        for part in one["arguments"]
    }


def test_extract_places_events_in_the_whole_text(
    learnt: tuple[Path, dict[str, Any]], tiny: TinyModel, tmp_path: Path
) -> None:
    rows = [
        {"text": one["text"], "spans": [{"start": 0, "end": one["text"].index(" "), "label": "NAME"}]}
        for one in stories(48, 4)
    ]
    data = write_lines(tmp_path / "names.jsonl", rows)
    model = tiny("bert", num_layers=2)
    tagger = train_tiny(tmp_path, model, data=data, method="head")["output"]
    first, second = (one for one in stories(30, 5)[:2])
    text = f"{first['text']}. {second['text']}"
    (tmp_path / "new.jsonl").write_text(json.dumps({"text": text}) + "\n", encoding="utf-8")
    asked = (
        "--entities",
        tagger,
        "--events",
        learnt[1]["output"],
        "--page",
        tmp_path / "page.html",
        "--json",
    )
    ended = lightune("extract", tmp_path / "new.jsonl", *asked, "--quiet")
    (row,) = ended.json["rows"]
    assert row["events"]
    for one in row["events"]:
        for part in (one["trigger"], *one["arguments"]):
            assert text[part["start"] : part["end"]] == part["text"]
    assert row["events"][0]["type"] in (tmp_path / "page.html").read_text(encoding="utf-8")
