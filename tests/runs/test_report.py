"""The report: one self-contained page, everything escaped, honest in its verdict."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lightune.core.rows import Problem
from lightune.core.shown import Shown
from lightune.runs import charts, words
from lightune.runs.report import Report, render, write_report

EVIL = "<script>alert('x')</script> & \"quoted\" 差评"
VOID = {"meta", "rect", "line", "circle", "polyline", "br"}


class Balance(HTMLParser):
    """Collects tags, text and attributes, and fails on tags that do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def parse(html: str) -> Balance:
    found = Balance()
    found.feed(html)
    assert found.open == []
    return found


def rung(name: str, accuracy: float, low: float, high: float) -> dict[str, Any]:
    return {
        "name": name,
        "metrics": {"accuracy": accuracy},
        "intervals": {"accuracy": (low, high)},
        "seconds": 1.0,
    }


@pytest.fixture
def full() -> Report:
    """A report with every section, and hostile words wherever words go."""
    return Report(
        title=EVIL,
        summary=[(EVIL, EVIL)],
        decisions=[(EVIL, EVIL, EVIL)],
        metrics={"accuracy": 0.9},
        intervals={"accuracy": (0.88, 0.92)},
        rungs=[rung("tfidf_lr", 0.8, 0.78, 0.82), rung(EVIL, 0.9, 0.88, 0.92)],
        history=[
            {"epoch": e, "train_loss": 1 / e, "validation_loss": float("nan"), "validation_accuracy": 0.8}
            for e in (1, 2)
        ],
        step_losses=[1.0, float("inf"), 0.5],
        labels=[EVIL, "b", "c"],
        confusion=[[5, 1, 0], [0, 7, 2], [0, 0, 0]],
        scatter=[(1.0, 1.5), (2.0, 2.0)],
        mistakes=[{"cells": {EVIL: Shown(EVIL), "b": Shown(EVIL)}, "probability": 0.99, "row": 7}],
        reliability=[(0.8, 0.9, 0.85, 0.7, 10)],
        problems=[Problem("duplicate_text", EVIL, EVIL, line=3, row=1)],
        plan={"predicted_seconds": 70, "seconds": 81.0, "peak_memory_bytes": 2e9, EVIL: {EVIL: EVIL}},
        truncation=EVIL,
        splits=EVIL,
        advice=[EVIL],
        reasons=[
            {
                "texts": [EVIL],
                "words": [{"text": "script", "part": 0, "start": 1, "end": 7, "attribution": 1.0}],
                "explained": EVIL,
                "verdict": EVIL,
                "gold": EVIL,
                "row": 3,
            }
        ],
    )


def test_everything_is_escaped_and_nothing_is_loaded(full: Report, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", full)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    found = parse(html)
    tags = {tag for tag, _ in found.seen}
    assert not tags & {"script", "link", "img", "iframe", "object", "base"}
    for _, attributes in found.seen:
        assert not {"src", "href", "xlink:href", "onload"} & attributes.keys()
    assert not re.search(r"https?://|url\(|@import", html)
    assert "差评" in html and html.count("&lt;script&gt;") >= 15


def test_every_section_is_there(full: Report) -> None:
    heads = re.findall("<h2>(.*?)</h2>", render(full))
    assert heads == [
        "Was it worth it?",
        "All the numbers",
        "How it learnt",
        "Which classes are mixed up",
        "Predictions against the truth",
        "Worst mistakes",
        "Why it said so",
        "Can its probabilities be trusted?",
        "The data",
        "What was decided, and why",
        "Plan against reality",
    ]


def test_values_that_are_not_finite_draw_nothing_broken(full: Report) -> None:
    for _, attributes in parse(render(full)).seen:
        for name in ("x", "y", "cx", "cy", "x1", "y1", "points", "width"):
            assert not re.search("nan|inf", attributes.get(name) or "")


def test_an_empty_report_is_a_page() -> None:
    assert "No problem was found" in "".join(parse(render(Report(title="empty"))).words)


def test_many_classes_are_listed_not_drawn(full: Report) -> None:
    full.labels = [f"class {number}" for number in range(80)]
    full.confusion = [
        [9 if row == column else int(column == row + 1) for column in range(80)] for row in range(80)
    ]
    html = render(full)
    assert 'class="heat"' not in html and "class 24" in html


@pytest.mark.parametrize(
    "own, expected",
    [
        ((0.90, 0.88, 0.92), "Yes"),
        ((0.81, 0.79, 0.83), "Perhaps"),
        ((0.80, 0.78, 0.82), "No"),
        ((0.7, 0.68, 0.72), "No"),
    ],
)
def test_verdict_follows_the_intervals(own: tuple[float, float, float], expected: str) -> None:
    rungs = [rung("majority", 0.5, 0.48, 0.52), rung("tfidf_lr", 0.8, 0.78, 0.82), rung("lora", *own)]
    marked = words.rungs_with_run(rungs, {"accuracy": own[0]}, {})
    assert [one["is_this_run"] for one in marked] == [False, False, True]
    assert words.verdict(marked, "accuracy").startswith(expected + ":")


def test_what_training_watched_leads_with_the_meaning_it_has_there() -> None:
    report = Report(title="names", metrics={"accuracy": 0.97, "f1": 0.8}, best_by="f1")
    assert words.leading_metrics(report.metrics, report.best_by) == ["f1", "accuracy"]
    assert words.leading_metrics({"accuracy": 1.0, "f1": 1.0}, "accuracy") == ["accuracy", "f1"]
    assert "class" in report.meaning("f1")
    report.meanings = {"f1": "balance of entities"}
    assert report.meaning("f1") == "balance of entities" and "words" in report.meaning("accuracy")


def test_the_run_is_added_when_it_is_not_among_the_rungs() -> None:
    marked = words.rungs_with_run([rung("majority", 0.5, 0.4, 0.6)], {"accuracy": 0.5}, {})
    assert [(one["name"], one["is_this_run"]) for one in marked] == [("majority", False), ("this run", True)]


def test_bar_lengths_follow_values() -> None:
    html = charts.bars([charts.BarRow("a", 0.25), charts.BarRow("b", 0.5, (0.4, 0.6), is_main=True)], "t")
    widths = [float(a["width"] or 0) for tag, a in parse(html).seen if tag == "rect"]
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.01)
    assert "0.500  (0.400 to 0.600)" in html


def test_long_curves_are_thinned_by_averaging() -> None:
    points = charts.thin_out([(float(x), float(x % 2)) for x in range(10_000)], 100)
    assert len(points) == 100 and all(y == 0.5 for _, y in points)


@pytest.mark.parametrize("low, high", [(0, 1), (-3.2, 8), (0.81, 0.83), (5, 5), (0, 12345)])
def test_axis_steps_are_few_and_inside(low: float, high: float) -> None:
    ticks = charts.steps(low, high)
    assert 1 <= len(ticks) <= 7
    room = 1e-6 * max(1, abs(high))
    assert all(low - room <= tick <= high + room for tick in ticks)


def test_durations_and_sizes_are_readable() -> None:
    assert [words.duration(s) for s in (0.04, 12, 59.7, 200, 3900)] == [
        "0.0 s",
        "12 s",
        "1 min 0 s",
        "3 min 20 s",
        "1 h 5 min",
    ]
    assert [words.size(b) for b in (9.5e8, 1.94e9)] == ["950 MB", "1.9 GB"]
