"""The run folder of a language model: its `lightune.json`, card and report, beside what the kind saved."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.settings import to_toml
from lightune.runs import charts, page
from lightune.runs.folder import FORMAT, STATE_FILE, read_state

KEY = "language_model"
REPORT_NOTE = "Written by lightune on this computer. Nothing was sent anywhere; this page loads nothing."


@dataclass
class LanguageState:
    """What `lightune.json` says under `language_model`.

    Attributes:
        kind: the option of --kind; corpus: its name as given; held_out: how the held-out texts were chosen.
        facts: what the model says of itself.
        is_pseudo: whether its scores are pseudo-log-likelihoods; has_probabilities: whether it gives any.
    """

    kind: str
    corpus: str
    held_out: str
    facts: dict[str, Any] = field(default_factory=dict)
    is_pseudo: bool = False
    has_probabilities: bool = True
    version: str = ""


@dataclass
class LanguagePage:
    """What the card and the report say of a finished run.

    Attributes:
        metrics: name -> {value, low, high} or a number, on the held-out texts.
        sizes: part -> (texts, bytes).
        log: rows of figures while learning; samples: (step, text written then).
        decisions: (what, value, reason).
    """

    state: LanguageState
    metrics: dict[str, Any]
    sizes: dict[str, tuple[int, int]]
    seconds: dict[str, float]
    log: list[dict[str, float]] = field(default_factory=list)
    samples: list[tuple[int, str]] = field(default_factory=list)
    decisions: list[tuple[str, str, str]] = field(default_factory=list)


def is_language_run(folder: Path) -> bool:
    """Whether a folder is the run of a language model."""
    try:
        known = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(known, dict) and KEY in known


def read_language_state(folder: Path) -> LanguageState:
    """The state of a language-model run.

    Raises:
        UserError: no run, an unfinished one, one of another sort, or of a newer lightune.
    """
    if not is_language_run(folder):
        state = read_state(folder)  # tells what is missing, where it is no run at all
        hint = "Make a language model with: lightune pretrain CORPUS --kind ngram"
        raise UserError(f"this run is no language model: its task is {state.task}", file=folder, hint=hint)
    known = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    if known.get("format", FORMAT) > FORMAT:
        hint = "Run: pip install --upgrade lightune"
        raise UserError("this run was made by a newer lightune", file=folder, hint=hint)
    return LanguageState(**known[KEY])


def write_language_files(folder: Path, told: LanguagePage, settings: dict[str, Any]) -> None:
    """lightune.json, metrics.json, run.toml, README.md and report.html, when the model is there already."""
    known = {"format": FORMAT, KEY: vars(told.state)}
    for name, value in (("lightune.json", known), ("metrics.json", _metrics(told))):
        text = json.dumps(value, ensure_ascii=False, indent=2)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    (folder / "run.toml").write_text(to_toml(settings), encoding="utf-8")
    (folder / "README.md").write_text(_card(told), encoding="utf-8")
    (folder / "report.html").write_text(_report(told), encoding="utf-8")


def _metrics(told: LanguagePage) -> dict[str, Any]:
    return {"validation": told.metrics, "history": told.log, "seconds": told.seconds}


def _figures(told: LanguagePage) -> list[tuple[str, str, str]]:
    """(name, value, 95% interval) of every metric."""
    found = []
    for name, one in told.metrics.items():
        if isinstance(one, dict):
            interval = f"{charts.number(one['low'])} to {charts.number(one['high'])}"
            found.append((name, charts.number(one["value"]), interval))
        else:
            found.append((name, charts.number(float(one)), ""))
    return found


def _facts(told: LanguagePage) -> list[tuple[str, str]]:
    learnt, held = told.sizes.get("train", (0, 0)), told.sizes.get("validation", (0, 0))
    return [
        ("kind", told.state.kind),
        ("corpus", told.state.corpus),
        ("learnt from", f"{learnt[0]:,} texts, {learnt[1]:,} bytes"),
        ("held out", f"{held[0]:,} texts, {held[1]:,} bytes ({told.state.held_out})"),
        *((name, _plain(value)) for name, value in told.state.facts.items()),
        ("seconds", f"{told.seconds.get('total', 0):.1f}"),
    ]


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(one) for one in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _meaning(state: LanguageState) -> str:
    if not state.has_probabilities:
        return "Word vectors give no probabilities; these figures compare them with people's judgements."
    if state.is_pseudo:
        return "Each token was predicted from all others: a pseudo-log-likelihood, which no other kind gives."
    return "On the held-out texts. Fewer bits per byte are better, and comparable between all kinds."


def _card(told: LanguagePage) -> str:
    """The card as Markdown."""
    state = told.state
    rows = [f"| {name} | {value} | {interval} |" for name, value, interval in _figures(told)]
    facts = [f"- {name}: {value}" for name, value in _facts(told)]
    decided = [f"- {what}: {value} ({reason})" for what, value, reason in told.decisions]
    uses = ["lightune evaluate RUN TEXT", "lightune score RUN DATA", 'lightune generate RUN --prompt "..."']
    lines = [
        "---\nlibrary_name: lightune\ntags:\n- language-model\n---",
        f"# {state.kind} of {state.corpus}",
        "\n".join(facts),
        _meaning(state),
        "\n".join(["| figure | value | 95% interval |", "|---|---|---|", *rows]),
        "## How to use it\n\n```\n" + "\n".join(uses) + "\n```" if state.has_probabilities else "",
        "## Derived settings\n\n" + "\n".join(decided) if decided else "",
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def _report(told: LanguagePage) -> str:
    """The report as HTML."""
    title = f"{told.state.kind} of {told.state.corpus}"
    body = [
        f"<h1>{escape(title)}</h1>",
        page.facts(_facts(told)),
        page.section(
            "How good is it?",
            _meaning(told.state),
            page.table(("figure", "value", "95% interval"), _figures(told), numbers=(1,)),
        ),
        _learning(told),
        page.section(
            "What it writes",
            "Text that the model drew by itself, as training went on.",
            page.table(("step", "text"), told.samples, numbers=(0,), texts=(1,)),
        ),
        page.section("What was decided", "", page.table(("what", "value", "why"), told.decisions)),
        f"<footer>{REPORT_NOTE} It may quote your corpus: share it with the same care.</footer>",
    ]
    return page.page(title, "".join(body))


def _learning(told: LanguagePage) -> str:
    """One chart a figure that was measured more than once."""
    names = [name for name in ("bits_per_byte", "train_loss", "validation_loss") if _num(told.log, name) > 1]
    parts = []
    for name in names:
        points = [(float(row["step"]), float(row[name])) for row in told.log if name in row and "step" in row]
        line = charts.Series(name, points, "line-a")
        parts.append(f"<h3>{escape(name.replace('_', ' '))}</h3>")
        parts.append(charts.lines([line], "step", name.replace("_", " "), f"{name} by step", with_zero=False))
    return page.section("How it learnt", "", *parts)


def _num(rows: list[dict[str, float]], name: str) -> int:
    return sum(name in row and "step" in row for row in rows)
