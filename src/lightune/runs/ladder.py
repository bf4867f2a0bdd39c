"""The folder of `lightune compare`: report.html, the card README.md, metrics.json and run.toml."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from lightune.core.rows import Problem
from lightune.core.settings import to_toml
from lightune.runs import charts, words
from lightune.runs.ladder_charts import Curve, Dot, cost_chart, curve_chart
from lightune.runs.page import facts, page, paragraph, section, table

READING = (
    "Seconds are from texts and labels to a model that can be asked. Where rungs share the reading through "
    "the frozen part of the pre-trained model, it counts for each of them, as if it were the only one. Rows "
    "a second go from new texts to answers. The size is what has to be kept to predict, the pre-trained "
    "model included."
)


@dataclass
class LadderPage:
    """What the folder tells: the JSON object of `compare`, and what is known of the data."""

    title: str
    summary: dict[str, Any]
    decisions: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    splits: str = ""
    language: str = ""

    @property
    def rungs(self) -> list[dict[str, Any]]:
        """The rungs that were climbed, the simplest first."""
        found: list[dict[str, Any]] = self.summary["rungs"]
        return found

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return str(self.summary["metric"])


def write(folder: Path, ladder: LadderPage, settings: dict[str, Any]) -> None:
    """Write all files into a folder that exists."""
    texts = {
        "report.html": render(ladder),
        "README.md": card(ladder),
        "metrics.json": json.dumps(ladder.summary, ensure_ascii=False, indent=2, default=str) + "\n",
        "run.toml": to_toml(settings),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def render(ladder: LadderPage) -> str:
    """The report as HTML text."""
    rows = ", ".join(f"{name} {count:,}" for name, count in ladder.summary["rows"].items())
    known = [("task", ladder.summary["task"]), ("model", ladder.summary["model"] or "none"), ("rows", rows)]
    plain = "Every generation of language model on the same rows, from the simplest to the dearest."
    body = [
        f"<h1>{escape(ladder.title)}</h1>",
        facts([*known, ("use", ladder.summary["use"] or "–")]),
        section("Which one to use", plain, *_advice(ladder)),
        section("Quality against cost", READING, _costs(ladder)),
        section(
            "All rungs",
            "",
            table(HEADER, _rows(ladder), numbers=range(2, 8), own=_own(ladder)),
            _missing(ladder),
        ),
        _curve(ladder),
        _data(ladder),
        "<footer>Written by lightune on this computer. Nothing was sent anywhere; this page loads nothing."
        "</footer>",
    ]
    return page(ladder.title, "".join(body))


HEADER = ("Rung", "What it is", "Quality", "95% interval", "Seconds", "Rows a second", "Size", "Trained part")


def _advice(ladder: LadderPage) -> list[str]:
    lines = ladder.summary["advice"]
    rule = f"The rule: the simplest rung that the best one does not beat clearly ({ladder.summary['rule']})."
    first = [paragraph(lines[0], "verdict")] if lines else []
    return [
        *first,
        *(paragraph(line, "note") for line in lines[1:]),
        paragraph(rule if lines else "", "soft"),
    ]


def _costs(ladder: LadderPage) -> str:
    dots = [
        Dot(
            rung["name"],
            rung["seconds"],
            rung["metrics"][ladder.metric],
            _interval(rung, ladder.metric),
            is_main=rung["name"] == ladder.summary["use"],
        )
        for rung in ladder.rungs
        if ladder.metric in rung["metrics"]
    ]
    return cost_chart(dots, words.metric_name(ladder.metric)) if dots else ""


def _interval(rung: dict[str, Any], metric: str) -> tuple[float, float] | None:
    pair = rung["intervals"].get(metric)
    return (pair[0], pair[1]) if pair else None


def _own(ladder: LadderPage) -> int | None:
    names = [rung["name"] for rung in ladder.rungs]
    return names.index(ladder.summary["use"]) if ladder.summary["use"] in names else None


def _rows(ladder: LadderPage) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for rung in ladder.rungs:
        value, pair = rung["metrics"].get(ladder.metric), _interval(rung, ladder.metric)
        found.append(
            (
                rung["name"],
                rung["summary"],
                charts.number(value) if value is not None else "–",
                f"{charts.number(pair[0])} to {charts.number(pair[1])}" if pair else "–",
                charts.number(rung["seconds"]),
                words.round_number(rung["rows_per_second"]),
                words.size(rung["size_bytes"]),
                words.size(rung["trained_bytes"]),
            )
        )
    return found


def _missing(ladder: LadderPage) -> str:
    lines = [f"{one['name']} was left out: {one['reason']}" for one in ladder.summary["left_out"]]
    return "".join(paragraph(line, "soft") for line in lines)


def curve_rows(curve: list[dict[str, Any]], metric: str) -> list[tuple[str, ...]]:
    """A line a rung, a column a number of labels; `–` where a rung was not tried."""
    names = dict.fromkeys(rung["name"] for one in curve for rung in one["rungs"])
    by_size = [{rung["name"]: rung["metrics"].get(metric) for rung in one["rungs"]} for one in curve]
    return [
        (name, *("–" if known.get(name) is None else f"{known[name]:.3f}" for known in by_size))
        for name in names
    ]


def _curve(ladder: LadderPage) -> str:
    """How many labels each rung needs."""
    curve = ladder.summary.get("curve", [])
    if not curve:
        return ""
    rows = curve_rows(curve, ladder.metric)
    curves = []
    for name, *_ in rows:
        points = [
            (float(one["size"]), rung["metrics"][ladder.metric])
            for one in curve
            for rung in one["rungs"]
            if rung["name"] == name and ladder.metric in rung["metrics"]
        ]
        curves.append(Curve(name, points, is_main=name == ladder.summary["use"]))
    header = ("Labels", *(f"{one['size']:,}" for one in curve))
    numbers = table(header, rows, numbers=range(1, len(header)))
    plain = (
        "The same rungs on fewer labels, each set part of the next, always tested on the same rows. Where "
        "two lines cross, the dearer rung begins to pay."
    )
    return section(
        "How many labels each needs", plain, curve_chart(curves, words.metric_name(ladder.metric)), numbers
    )


def _data(ladder: LadderPage) -> str:
    decided = table(("What", "Value", "Why"), ladder.decisions)
    problems = f"{len(ladder.problems):,} problems were found in the data: lightune check shows them."
    return section(
        "The data, and what was decided", "", paragraph(problems if ladder.problems else ""), decided
    )


def card(ladder: LadderPage) -> str:
    """The card as Markdown; it quotes no text."""
    lines = [
        f"# {ladder.title}",
        "Every generation of language model on the same rows, by `lightune compare`.",
    ]
    lines += [f"- {line}" for line in ladder.summary["advice"]]
    header: tuple[str, ...] = ("Rung", ladder.metric, "95% interval", "Seconds", "Rows/s", "Size")
    rows = [(row[0], *row[2:7]) for row in _rows(ladder)]
    lines.append(_markdown(header, rows))
    if curve := ladder.summary.get("curve"):
        header = (f"{ladder.metric} by labels", *(str(one["size"]) for one in curve))
        lines.append(_markdown(header, curve_rows(curve, ladder.metric)))
    rows_of = ", ".join(f"{name} {count:,}" for name, count in ladder.summary["rows"].items())
    lines.append(f"Task {ladder.summary['task']}; rows: {rows_of}. {READING}")
    return "\n\n".join(lines).replace("\n\n- ", "\n- ") + "\n"


def _markdown(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
