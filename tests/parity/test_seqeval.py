"""Entity scores against seqeval's, on random tags of every scheme, right and broken."""

from __future__ import annotations

import random

import numpy as np
import pytest
from seqeval.metrics import accuracy_score, classification_report, f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities

from lightune.core.rows import Example
from lightune.core.spans import spans_of
from lightune.evaluate.spans import by_type, span_counts, span_metrics
from lightune.tasks.tag import Tag

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
WIDE = [*TAGS, "E-PER", "S-PER", "E-LOC", "S-LOC"]


def drawn(number: int, tags: list[str], seed: int) -> list[list[str]]:
    chance = random.Random(seed)
    return [[chance.choice(tags) for _ in range(chance.randint(1, 12))] for _ in range(number)]


@pytest.mark.parametrize("tags", [TAGS, WIDE])
def test_spans_are_seqevals(tags: list[str]) -> None:
    for sentence in drawn(300, tags, 3):
        wanted = [(start, end + 1, kind) for kind, start, end in get_entities(sentence)]
        assert spans_of(sentence) == wanted


def test_scores_are_seqevals() -> None:
    gold = drawn(200, TAGS, 0)
    chance = random.Random(5)
    said = [[tag if chance.random() < 0.8 else chance.choice(TAGS) for tag in row] for row in gold]
    spans = [[spans_of(row) for row in rows] for rows in (gold, said)]
    found = span_metrics(span_counts(*spans))
    assert found["f1"] == pytest.approx(f1_score(gold, said), abs=1e-6)
    assert found["precision"] == pytest.approx(precision_score(gold, said), abs=1e-6)
    assert found["recall"] == pytest.approx(recall_score(gold, said), abs=1e-6)
    each = by_type(*spans)
    wanted = f1_score(gold, said, average=None)
    assert [each[kind]["f1"] for kind in ("LOC", "MISC", "PER")] == pytest.approx(list(wanted), abs=1e-6)


README_GOLD = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
README_SAID = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
PUBLISHED: list[tuple[str, list[str], list[tuple[int, int, str]]]] = [
    ("seqeval's own example", ["B-PER", "I-PER", "O", "B-LOC"], [(0, 2, "PER"), (3, 4, "LOC")]),
    ("IOB1: I opens", ["I-PER", "I-PER", "O"], [(0, 2, "PER")]),
    ("IOB1: B parts neighbours", ["I-PER", "B-PER", "I-PER"], [(0, 1, "PER"), (1, 3, "PER")]),
    ("IOB2: B after B", ["B-PER", "B-PER"], [(0, 1, "PER"), (1, 2, "PER")]),
    ("another type goes on", ["B-PER", "I-LOC"], [(0, 1, "PER"), (1, 2, "LOC")]),
    ("I after O", ["O", "I-LOC", "O", "I-LOC"], [(1, 2, "LOC"), (3, 4, "LOC")]),
    ("IOE: E closes", ["I-PER", "E-PER", "I-PER"], [(0, 2, "PER"), (2, 3, "PER")]),
    ("BIOES", ["B-PER", "I-PER", "E-PER", "S-LOC", "S-LOC"], [(0, 3, "PER"), (3, 4, "LOC"), (4, 5, "LOC")]),
    ("BIOES: S amid", ["B-PER", "S-PER", "E-PER"], [(0, 1, "PER"), (1, 2, "PER"), (2, 3, "PER")]),
    ("the end closes", ["O", "B-MISC", "I-MISC"], [(1, 3, "MISC")]),
    ("nothing", ["O", "O"], []),
    ("no words", [], []),
]


@pytest.mark.parametrize(("case", "tags", "spans"), PUBLISHED, ids=[case for case, _, _ in PUBLISHED])
def test_published_cases(case: str, tags: list[str], spans: list[tuple[int, int, str]]) -> None:
    assert spans_of(tags) == spans
    assert [(start, end + 1, kind) for kind, start, end in get_entities(tags)] == spans


def test_the_report_that_seqeval_shows() -> None:
    """Its README: MISC 0, PER 1, together 0.5; two spans, one of them a word too long."""
    gold, said = ([spans_of(row) for row in rows] for rows in (README_GOLD, README_SAID))
    assert span_metrics(span_counts(gold, said)) == {"f1": 0.5, "precision": 0.5, "recall": 0.5}
    each = by_type(gold, said)
    assert {kind: (one["f1"], one["support"]) for kind, one in each.items()} == {
        "MISC": (0, 1),
        "PER": (1, 1),
    }
    report = classification_report(README_GOLD, README_SAID, output_dict=True)
    for kind, one in each.items():
        assert one["f1"] == pytest.approx(report[kind]["f1-score"])
        assert one["support"] == report[kind]["support"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("gold", "said"), [(["O"], ["O"]), (["B-A"], ["O"]), (["O"], ["B-A"]), (["B-A"], ["B-B"])]
)
def test_nothing_to_divide_by_is_nought(gold: list[str], said: list[str]) -> None:
    found = span_metrics(span_counts([spans_of(gold)], [spans_of(said)]))
    assert found["f1"] == f1_score([gold], [said]) == 0
    assert found["precision"] == precision_score([gold], [said])
    assert found["recall"] == recall_score([gold], [said])


def test_metrics_of_a_run_are_seqevals() -> None:
    """From logits through the constrained decoding to the numbers in the report."""
    chance = np.random.default_rng(2)
    task = Tag()
    # Whole spans only, so that the gold answer is its own IOB2 form.
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-LOC"]] * 20
    examples = [Example(("x",), tuple(row), words=tuple((n, n + 1) for n in range(len(row)))) for row in gold]
    task.learn(examples)
    targets = task.targets(examples)
    logits = np.empty(len(gold), dtype=object)
    for place, one in enumerate(targets):
        logits[place] = np.eye(len(task.labels))[one] * 2 + chance.normal(size=(len(one), len(task.labels)))
    said = [[task.labels[number] for number in task._best(one)] for one in logits]
    found = task.metrics(logits, targets)
    assert 0.2 < found["f1"] < 0.98
    assert found["f1"] == pytest.approx(f1_score(gold, said), abs=1e-6)
    assert found["f1_PER"] == pytest.approx(f1_score(gold, said, average=None)[2], abs=1e-6)
    assert found["accuracy"] == pytest.approx(accuracy_score(gold, said), abs=1e-6)
    low, high = task.intervals(logits, targets)["f1"]
    assert low < found["f1"] < high


def test_decoding_is_the_best_of_all_sequences_that_keep_to_the_scheme() -> None:
    """Against trying every one of the 5 ** 4 sequences."""
    from itertools import product

    from lightune.tasks.tag import _keeps_to_iob2, _viterbi

    chance = np.random.default_rng(0)
    for _ in range(20):
        scores = chance.normal(size=(4, 5))
        ways = [np.array(way) for way in product(range(5), repeat=4) if _keeps_to_iob2(np.array(way))]
        best = max(ways, key=lambda way: scores[np.arange(4), way].sum())
        assert _viterbi(scores).tolist() == best.tolist()
