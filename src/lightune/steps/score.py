"""`lightune score`: how probable each text is, token by token, and a page that colours what surprises."""

from __future__ import annotations

from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.data.corpus import Corpus, find_corpus
from lightune.history.language.base import END, Scored
from lightune.runs import page
from lightune.steps.languages import measure, open_model

STDIN = "-"
MOST_ON_PAGE = 500
STRONGEST = 12.0  # bits of surprise that get the full colour


def score(run: str, data: str, *, text: str | None, settings: Any, show: Show) -> dict[str, Any]:
    """{rows: [{text, log_probability, bits_per_byte, tokens}], metrics, is_pseudo}.

    Raises:
        UserError: no model of that name, a kind without probabilities, or no text.
    """
    texts = _texts(data, text, settings, show)
    model = open_model(run, show)
    scored = model.score_all(texts, show)
    rows = [as_row(one, known) for one, known in zip(scored, texts, strict=True)]
    return {"rows": rows, "metrics": measure(scored), "is_pseudo": model.is_pseudo, "run": run}


def as_row(scored: Scored, text: str) -> dict[str, Any]:
    """One row of the JSON."""
    shares = np.exp(scored.log_probabilities)
    tokens = [
        {"text": piece, "probability": float(share)}
        for piece, share in zip(scored.tokens, shares, strict=True)
    ]
    return {
        "text": text,
        "log_probability": scored.log_probability,
        "bits_per_byte": scored.bits_per_byte,
        "tokens": tokens,
    }


def write_page(path: Path, result: dict[str, Any]) -> None:
    """One HTML file with the tokens coloured by their surprise, -log2 P."""
    what = "pseudo-log-likelihood" if result["is_pseudo"] else "log probability"
    title = f"How {result['run']} sees these texts"
    parts = [f"<h1>{escape(title)}</h1>"]
    figures = [(name.replace("_", " "), f"{one['value']:.3f}") for name, one in result["metrics"].items()]
    parts.append(page.facts(figures))
    plain = (
        "The stronger the colour, the more a token surprised the model: by -log2 P, in bits. "
        "Rest on a token to read it."
    )
    lines = [_line(row, what) for row in islice(result["rows"], MOST_ON_PAGE)]
    parts.append(page.section("Token by token", plain, *lines))
    parts.append("<footer>Written by lightune on this computer; this page loads nothing.</footer>")
    path.write_text(page.page(title, "".join(parts)), encoding="utf-8")


def _line(row: dict[str, Any], what: str) -> str:
    spans = []
    for token in row["tokens"]:
        bits = -float(np.log2(max(token["probability"], 1e-300)))
        share = min(100, round(100 * bits / STRONGEST))
        shown = "↵" if token["text"] == END else token["text"]
        style = f"background:color-mix(in srgb, rgb(var(--bad)) {share}%, transparent)"
        spans.append(f'<span style="{style}" title="{bits:.1f} bits">{escape(shown)}</span>')
    figures = f"{what} {row['log_probability']:.2f}, {row['bits_per_byte']:.2f} bits per byte"
    return f'<p style="white-space:pre-wrap">{"".join(spans)}</p><p class="soft">{escape(figures)}</p>'


def _texts(data: str, text: str | None, settings: Any, show: Show) -> list[str]:
    if data == STDIN:
        corpus = Corpus("stdin", (Path(STDIN),), settings, text or "")
    else:
        corpus = find_corpus(data, settings, text, show)
    known = list(corpus.texts())
    if not known:
        raise UserError("there is no text to score", file=data)
    return known
