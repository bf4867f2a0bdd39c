"""`README.md` of a run: the model card with the front matter that hubs read. It never quotes a text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightune.runs import charts, words

PIPELINES = {
    "classify": "text-classification",
    "pair": "text-classification",
    "multilabel": "text-classification",
    "regress": "text-classification",
    "tag": "token-classification",
    "retrieve": "sentence-similarity",
    "relation": "text-classification",
    "event": "token-classification",
}
MAX_LABELS = 50


@dataclass
class Card:
    """What the card says.

    Attributes:
        metrics, intervals: of this run on the held-out rows.
        rungs: baselines and this run: name, metrics, intervals, seconds.
        rows: split name -> number of rows.
        loading: Python lines that open the run without lightune; empty when only lightune can.
        decisions: (what, value, reason).
        language: a code such as "en"; empty when unknown.
        privacy: what is promised of the training rows, and what is not; [] for a usual run.
        is_peft: whether the folder is a PEFT adapter.
    """

    title: str
    task: str
    method: str
    model: str
    labels: list[str] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    rungs: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    loading: str = ""
    decisions: list[tuple[str, str, str]] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    language: str = ""
    is_peft: bool = True
    privacy: list[str] = field(default_factory=list)


def write_card(path: Path, card: Card) -> None:
    """Write the card as Markdown."""
    path.write_text(render(card), encoding="utf-8")


def render(card: Card) -> str:
    """The card as Markdown text."""
    parts = [
        _front_matter(card),
        f"# {_inline(card.title)}",
        _what_it_is(card),
        _results(card),
        _training_data(card),
        _privacy(card),
        _use(card),
        _limits(card),
        _settings(card),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(card: Card) -> str:
    """YAML; every value is a JSON string, which YAML reads as it is."""
    lines = [f"base_model: {_quoted(card.model)}"]
    lines += ["library_name: peft"] if card.is_peft else []
    lines += [f"language: {_quoted(card.language)}"] if card.language else []
    pipeline = PIPELINES.get(card.task.replace("-", "_"))
    lines += [f"pipeline_tag: {pipeline}"] if pipeline else []
    tags = dict.fromkeys(("lightune", card.task, card.method))
    lines += ["tags:", *(f"- {_quoted(tag)}" for tag in tags)]
    return "\n".join(["---", *lines, "---"])


def _quoted(words_: str) -> str:
    return json.dumps(words_, ensure_ascii=False)


def _inline(words_: object) -> str:
    """One line of Markdown in which nothing is markup."""
    line = " ".join(str(words_).split())
    return "".join("\\" + one if one in "\\`*_[]<>|#" else one for one in line)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(_inline(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _what_it_is(card: Card) -> str:
    base, method = _inline(card.model), _inline(card.method)
    start = f"A model for the task **{_inline(card.task)}**: "
    return f"{start}{base}, fine-tuned by lightune with the method **{method}**."


def _results(card: Card) -> str:
    """Metrics with intervals beside the baselines, and the verdict."""
    if not card.metrics:
        return ""
    rungs = words.rungs_with_run(card.rungs, card.metrics, card.intervals)
    others = [rung for rung in rungs if not rung["is_this_run"]]
    own = {"metrics": card.metrics, "intervals": card.intervals}
    rows = [
        (words.metric_name(name), *(_with_interval(rung, name) for rung in (own, *others)))
        for name in card.metrics
    ]
    header = ("", "this model", *(_inline(words.model_name(rung["name"])) for rung in others))
    leading = words.leading_metrics(card.metrics)
    verdict = words.verdict(rungs, leading[0]) if leading and others else ""
    note = "On held-out rows; in brackets the 95% bootstrap interval."
    return "\n\n".join(part for part in ("## Results", note, _table(header, rows), _inline(verdict)) if part)


def _with_interval(rung: dict[str, Any], name: str) -> str:
    value, interval = rung["metrics"].get(name), rung.get("intervals", {}).get(name)
    if value is None:
        return "–"
    between = f" ({charts.number(interval[0])} to {charts.number(interval[1])})" if interval else ""
    return charts.number(value) + between


def _training_data(card: Card) -> str:
    """Numbers of rows and names of labels; never a text."""
    rows = ", ".join(f"{_inline(name)} {count:,}" for name, count in card.rows.items())
    lines = ["## Training data"] + ([f"Rows: {rows}."] if rows else [])
    if card.labels:
        more = f" and {len(card.labels) - MAX_LABELS} more" if len(card.labels) > MAX_LABELS else ""
        lines.append(f"Labels: {', '.join(map(_inline, card.labels[:MAX_LABELS]))}{more}.")
    return "\n\n".join(lines) if len(lines) > 1 else ""


def _privacy(card: Card) -> str:
    return "## Privacy\n\n" + "\n".join(f"- {_inline(line)}" for line in card.privacy) if card.privacy else ""


def _use(card: Card) -> str:
    """The command, the Python lines, and the lines that need no lightune."""
    python = (
        'import lightune\n\nrun = lightune.load(".")  # this folder\nprint(run.predict(["a text"])[0].label)'
    )
    if card.task == "relation":
        python = python.replace("a text", "<e1>Ada</e1> lives in <e2>Rome</e2>")
    if card.task == "retrieve":
        python = 'import lightune\n\nrun = lightune.load(".")  # this folder\nprint(run.vectors(["a text"]))'
    if card.task in {"regress", "pair"}:
        python = 'import lightune\n\nrun = lightune.load(".")  # this folder\n# then run.predict([...])'
    parts = [
        "## How to use it",
        "```\nlightune predict THIS_FOLDER new.csv --output predicted.csv\n```",
        f"```python\n{python}\n```",
    ]
    if card.loading:
        words = set(re.findall(r"^(?:from|import) (\w+)", card.loading, re.M))
        kind = " and ".join(sorted(words & {"adapters", "peft", "transformers"}))
        parts += [f"Without lightune, with {kind} alone:", f"```python\n{card.loading.strip()}\n```"]
    else:
        parts.append("Its head is lightune's own: open it with lightune.")
    return "\n\n".join(parts)


def _limits(card: Card) -> str:
    lines = [
        "It was tested on rows of the same source as its training rows. On other texts expect less: "
        "run `lightune evaluate` on some of yours first.",
        "It carries over what its base model and its training rows got wrong.",
        *(_inline(line) for line in card.advice),
    ]
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _settings(card: Card) -> str:
    if not card.decisions:
        return ""
    rows = _table(("what", "value", "why"), card.decisions)
    return f"## Settings\n\nChosen by lightune; all of them are in `run.toml`.\n\n{rows}"
