"""The page to go through what `check --deep` found: the same lines as the list, readable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from lightune.runs.page import page, section, table

MOST_SHOWN = 500  # of a kind
HIDDEN = "It quotes no row of your data (--report.examples on would). "
MEANINGS = {
    "label_error": (
        "Labels that are likely wrong",
        "Models that were trained on the other rows are sure of another label. The surest come first; "
        "further down, more of them are rows that are merely hard. Look before you believe it.",
    ),
    "doubtful_label": (
        "Labels that models do not share",
        "Less sure than those above: mostly hard rows, some wrong labels. They are kept unless you say so.",
    ),
    "leak": (
        "Training texts that are nearly in the held-out data",
        "What is tested on should not have been learnt: the figures would flatter.",
    ),
    "near_duplicate": ("Texts that are nearly the same", "They add little, and weigh twice."),
    "outlier": ("Texts unlike all others", "Rows that may not belong here. They are kept unless you say so."),
    "small_group": ("Groups with few rows", "Nothing certain can be learnt, or measured, about these."),
}


def write_findings_page(
    path: Path, title: str, rows: Sequence[Mapping[str, Any]], *, shows_texts: bool
) -> None:
    """Write one HTML file that needs no other file and no network; with `shows_texts` it quotes the data."""
    body = [f"<h1>What looks wrong in {escape(title)}</h1>"]
    if not rows:
        body.append("<p>Nothing was found.</p>")
    for kind, (heading, plain) in MEANINGS.items():
        mine = [row for row in rows if row["kind"] == kind]
        shown = [
            (row["exclude"], row["line"] or row["row"], f"{row['score']:.2f}", row["label"], row["suggested"],
             *([row["text"]] if shows_texts else []), row["message"])
            for row in mine[:MOST_SHOWN]
        ]  # fmt: skip
        header = (
            "Exclude",
            "Line",
            "Score",
            "Label",
            "Suggested",
            *(("Text",) if shows_texts else ()),
            "Why",
        )
        cells = table(header, shown, numbers=(1, 2), texts=(5, 6)[: len(header) - 5]) if shown else ""
        body.append(section(f"{heading} ({len(mine)})", plain, cells) if mine else "")
    hidden = "" if shows_texts else HIDDEN
    body.append(
        f"<footer>Written by lightune on this computer. {hidden}Change the column <code>exclude</code> of "
        "the list beside this page, then: lightune train DATA --data.exclude LIST.</footer>"
    )
    path.write_text(page(title, "".join(body)), encoding="utf-8")
