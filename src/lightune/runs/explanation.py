"""The page of `lightune explain`: each text with its words in colour, and whether to believe it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from lightune.runs.marked import Html
from lightune.runs.page import page, paragraph, section, table

FAINTEST = 0.03  # of the strongest word's weight: less is left white
MEANING = (
    "Blue words speak for the answer, red ones against it; the deeper, the more (integrated gradients). Hold "
    "the pointer over a word for its figure. The picture is of the model, not of the truth: the model may be "
    "right for a bad reason. Whether the picture itself can be believed is said below each text."
)


def write_explanations(path: Path, title: str, found: Sequence[Mapping[str, Any]]) -> None:
    """Write one HTML file that needs no other file and no network; it quotes texts."""
    body = [f"<h1>Why {escape(title)} said so</h1>", paragraph(MEANING, "plain")]
    body += [explanation(one) for one in found]
    body.append("<footer>Written by lightune on this computer.</footer>")
    path.write_text(page(title, "".join(body)), encoding="utf-8")


def reasons(found: Sequence[Mapping[str, Any]], name: str) -> str:
    """The section of a report: some tested rows with their words in colour."""
    parts = []
    for one in found:
        gold = f", the right answer is {one['gold']!r}" if isinstance(one["gold"], (str, float)) else ""
        answer = f"Explained: {one['explained']}{gold}. "
        parts.append(f"<h3>Row {one['row']}</h3>")
        parts += [f'<p style="line-height:2">{coloured(text, one["words"], part)}</p>'
                  for part, text in enumerate(one["texts"])]  # fmt: skip
        parts.append(paragraph(answer + one["verdict"], "soft"))
    more = f"For any other text: lightune explain {name} TEXT" if found else ""
    return section("Why it said so", MEANING, *parts, paragraph(more, "soft")) if found else ""


def explanation(one: Mapping[str, Any]) -> str:
    """The section of one text."""
    known = ("predicted", "generated", "answer", "relation")
    said = next((str(one[name]) for name in known if name in one), "")
    sure = one.get("probability")
    title = f"{said or one['explained']}{f' ({sure:.2f})' if sure is not None and said else ''}"
    texts = "".join(
        f'<p style="font-size:18px;line-height:2">{coloured(text, one["words"], part)}</p>'
        for part, text in enumerate(one["texts"])
    )
    cut = "The text was longer than the model reads: this is its beginning. " if one["is_cut"] else ""
    return section(title, f"Explained: {one['explained']}.", texts, paragraph(cut + one["verdict"], "note"),
                   checks(one), examples(one))  # fmt: skip


def coloured(text: str, words: Sequence[Mapping[str, Any]], part: int = 0) -> Html:
    """A text with its words in colour; words whose place is not known are written one after the other."""
    most = max((abs(word["attribution"]) for word in words), default=0) or 1.0
    mine = [word for word in words if word["part"] == part]
    if any(word["start"] is None for word in mine):
        return Html(" ".join(_word(word["text"], word, most) for word in mine))
    parts, behind = [], 0
    for word in mine:
        parts += [escape(text[behind : word["start"]]), _word(text[word["start"] : word["end"]], word, most)]
        behind = word["end"]
    return Html("".join([*parts, escape(text[behind:])]))


def _word(text: str, word: Mapping[str, Any], most: float) -> str:
    weight = word["attribution"]
    share = abs(weight) / most
    if share < FAINTEST:
        return f'<span title="{weight:+.3f}">{escape(text)}</span>'
    colour = "--good" if weight > 0 else "--bad"
    style = f"background:rgba(var({colour}),{0.75 * share:.2f});border-radius:4px;padding:2px 3px"
    return f'<span style="{style}" title="{weight:+.3f}">{escape(text)}</span>'


def checks(one: Mapping[str, Any]) -> str:
    """The strongest words by all ways side by side."""
    strongest = sorted(one["words"], key=lambda word: -abs(word["attribution"]))[:8]
    rows = [
        (word["text"], *(f"{word[name]:+.2f}" for name in ("attribution", "gradient", "occlusion")),
         "" if word["attention"] is None else f"{word['attention']:.0%}")
        for word in strongest
    ]  # fmt: skip
    header = ("Word", "Integrated gradients", "Gradient × input", "Taken out alone", "Attention rollout")
    faithful = one["faithfulness"]
    figures = (
        f"The parts miss {one['completeness_error']:.1%} of the whole ({one['steps']} steps). Mean "
        f"probability while words are taken out in this order: {faithful['deletion']:.2f}, in random orders "
        f"{faithful['random_deletion']:.2f}; while they are put in: {faithful['insertion']:.2f} and "
        f"{faithful['random_insertion']:.2f}."
    )
    return table(header, rows, numbers=(1, 2, 3, 4)) + paragraph(figures, "soft")


def examples(one: Mapping[str, Any]) -> str:
    """The training examples behind the answer."""
    headings = {
        "influence": "Training examples that made it say so",
        "against": "Training examples that spoke against it",
        "neighbours": "Training examples most like it",
    }
    found = []
    for name, heading in headings.items():
        rows = [
            (
                f"{other['score']:+.2f}",
                other["gold"],
                " | ".join(other["texts"]),
                other["line"] or other["row"],
            )
            for other in one.get(name, ())
        ]
        if rows:
            found.append(f"<h3>{escape(heading)}</h3>")
            found.append(table(("Score", "Label", "Text", "Line"), rows, numbers=(0, 3), texts=(2,)))
    return "".join(found)
