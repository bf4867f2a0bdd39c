"""`lightune explain`: why a run said what it said of a text, and how far that picture can be believed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune import tasks
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Example, Row
from lightune.data.read import stream
from lightune.data.settings import DataSettings
from lightune.engine.settings import CacheSettings
from lightune.explain.attributions import Attributions, attribute, require_captum
from lightune.explain.faithful import Faithful, faithfulness
from lightune.explain.pieces import Word
from lightune.explain.probe import open_probe, recording
from lightune.explain.rollout import attentions_of, rollout
from lightune.run import Run, load
from lightune.runs.folder import RunState, read_state
from lightune.steps.answer import text_columns
from lightune.steps.influence import Influences, training_influences
from lightune.steps.views import View, views
from lightune.tasks.base import Task

SAID = (
    "predicted",
    "generated",
    "answer",
    "spans",
    "relation",
    "events",
    "similarity",
)  # what holds an answer


@dataclass(frozen=True)
class Wanted:
    """What to explain, and how.

    Attributes:
        texts: given on the command line; `data`: a file of them, of which `limit` rows.
        columns: which columns of the file to read.
        word: for tags and events, the word whose tag is explained.
        num_examples: training examples of each kind to show; 0: none are looked for.
        next_token: of a run that writes, explain the next token instead of a whole reply.
        page: an HTML file to write.
        cache: whether what is read of the training examples may be stored; None: as the run did.
        quotes: whether training examples may be quoted (`--report.examples`); None: as the run says.
    """

    texts: tuple[str, ...] = ()
    data: str | None = None
    limit: int = 10
    columns: tuple[str, ...] | None = None
    word: str = ""
    num_examples: int = 3
    next_token: bool = False
    seed: int = 0
    page: str | None = None
    cache: CacheSettings | None = None
    quotes: str | None = None


def explain(folder: Path, wanted: Wanted, settings: DataSettings, show: Show) -> dict[str, Any]:
    """{texts: [one explanation each], run, task, seconds, page}.

    Raises:
        UserError: no text, captum is not installed, or a model that is not explained.
    """
    state = read_state(folder)
    kind = plugins.load(tasks, state.task, Task)  # type: ignore[type-abstract]
    rows = _rows(state, kind, wanted, settings)
    require_captum()
    run = load(folder, show)
    if run.backbone.start_id is not None:
        raise UserError("explain does not know models whose decoder writes what an encoder read", file=folder)
    influences = training_influences(run, show, wanted.cache, wanted.quotes) if wanted.num_examples else None
    began = time.perf_counter()
    found = []
    with show.bar("explaining", len(rows)) as bar:
        for row, columns in rows:
            found += explain_one(run, run._example(row, columns), wanted, influences)
            bar.advance()
    result = {"run": str(folder), "task": state.task, "texts": found}
    if wanted.page:
        from lightune.runs.explanation import write_explanations

        write_explanations(Path(wanted.page), folder.name, found)
        result["page"] = wanted.page
    return {**result, "seconds": time.perf_counter() - began}


def _rows(
    state: RunState, kind: type[Task], wanted: Wanted, settings: DataSettings
) -> list[tuple[Row, tuple[str, ...]]]:
    """The rows to explain and their text columns, from the command line or a file.

    Raises:
        UserError: none, or half a pair.
    """
    names = tuple(state.text[:2]) if kind.kind == "vectors" else kind.reads(state.text)
    if bool(wanted.texts) == bool(wanted.data):
        hint = 'Give texts ("A fine film.") or a file with --data FILE, not both.'
        raise UserError("there is nothing to explain" if not wanted.texts else "texts and a file", hint=hint)
    if wanted.texts and kind.kind == "options":
        options = list(wanted.texts[len(names) :])
        return [(Row(0, {**dict(zip(names, wanted.texts, strict=False)), "options": options}, ""), names)]
    if wanted.texts:
        if len(wanted.texts) % len(names):
            raise UserError("half a pair of texts is missing", hint="This run takes two texts at a time.")
        parts = [wanted.texts[n : n + len(names)] for n in range(0, len(wanted.texts), len(names))]
        return [(Row(0, dict(zip(names, part, strict=True)), ""), names) for part in parts]
    assert wanted.data is not None
    if wanted.limit < 1:
        raise UserError(f"--limit cannot be {wanted.limit}", hint="Give 1 or more.")
    found: list[tuple[Row, tuple[str, ...]]] = []
    for row in stream(wanted.data, settings):
        columns = wanted.columns or text_columns(list(names), row)
        Run._require_texts(row, columns)
        found.append((row, columns))
        if len(found) == wanted.limit:
            break
    if not found:
        raise UserError("there are no rows", file=wanted.data)
    return found


def explain_one(
    run: Run, example: Example, wanted: Wanted, influences: Influences | None
) -> list[dict[str, Any]]:
    """All of one example: one explanation for each text that the answer is read from by itself.

    Raises:
        UserError: a text without a word.
    """
    found = [_explain(run, one, wanted) for one in views(run, example, wanted.word, wanted.next_token)]
    behind = {} if influences is None else influences.of(example, wanted.num_examples)
    return [one | behind for one in found]


def _explain(run: Run, view: View, wanted: Wanted) -> dict[str, Any]:
    """One sequence."""
    began = time.perf_counter()
    words, word_of = view.words(run)
    if not words:
        raise UserError(f"there is no word in the text {view.texts[0][:40]!r}")
    with recording(run.backbone):
        batch = view.tokens.batch(np.arange(1), pad_id=run.backbone.pad_id, device=run.backbone.device)
        outputs = run.method.forward(run.backbone, batch).detach().float()
        asked = view.ask(outputs, batch, (words, word_of))
        probe = open_probe(run.backbone, run.method, view.tokens, word_of >= 0, asked.read)
        found = attribute(probe, word_of)
        faithful = faithfulness(probe, word_of, found.integrated, seed=wanted.seed, scale=asked.scale)
    looked = attentions_of(run.backbone, batch)
    shares = None if looked is None else _read_from(run, rollout(looked), asked.place, word_of)
    result = {
        "texts": list(view.texts),
        **view.answer,
        "explained": asked.what,
        "words": _word_rows(words, found, shares),
        **_figures(found, faithful),
        "is_cut": view.is_cut,
        "seconds": time.perf_counter() - began,
    }
    return {**result, "verdict": believable(result)}


def _read_from(
    run: Run, shares: NDArray[np.float64], place: int | None, word_of: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(W,) the share of each word in the state that the answer is read from, summing to 1 over words."""
    from lightune.explain.attributions import by_word

    if place is not None:
        row = shares[place]
    elif run.method.head == "mean":
        row = shares.mean(axis=0)
    else:
        row = shares[-1] if np.allclose(np.triu(shares, 1), 0) else shares[0]  # causal: only the last saw all
    found = by_word(row, word_of)
    return np.asarray(found / max(found.sum(), 1e-12))


def _word_rows(
    words: Sequence[Word], found: Attributions, shares: NDArray[np.float64] | None
) -> list[dict[str, Any]]:
    return [
        {
            "text": word.text,
            "part": word.part,
            "start": word.start,
            "end": word.end,
            "attribution": float(found.integrated[place]),
            "gradient": float(found.gradient[place]),
            "occlusion": float(found.occlusion[place]),
            "attention": None if shares is None else float(shares[place]),
        }
        for place, word in enumerate(words)
    ]


def _figures(found: Attributions, faithful: Faithful) -> dict[str, Any]:
    """How far the attributions can be believed."""
    return {
        "score": found.score,
        "empty_score": found.empty_score,
        "completeness_error": found.completeness_error,
        "steps": found.steps,
        "agreement": {
            "gradient": _alike(found.integrated, found.gradient),
            "occlusion": _alike(found.integrated, found.occlusion),
        },
        "faithfulness": {**vars(faithful), "score": faithful.score},
    }


def _alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """The rank correlation of two attributions; None of a lone word, or where all are alike."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)


def believable(one: dict[str, Any]) -> str:
    """One sentence on how far the picture of a text can be believed."""
    faithful, error = one["faithfulness"], one["completeness_error"]
    share = f"{faithful['beaten']:.0%} of random orders are worse"
    if error > 0.05:
        return f"Do not believe this picture: its parts miss {error:.0%} of the whole."
    if len(one["words"]) < 3:
        return "Too few words to tell whether the picture is right."
    if faithful["beaten"] >= 0.9:
        return f"Believe it: taking out these words first changes the answer most ({share})."
    if faithful["beaten"] >= 0.6:
        return f"Believe it with care: better than chance, not clearly ({share})."
    return f"Do not believe this picture: it is no better than chance ({share})."


def lines(result: dict[str, Any]) -> list[str]:
    """What a person reads on the terminal."""
    found = []
    for one in result["texts"]:
        said = next((one[name] for name in SAID if name in one), "")
        sure = f" ({one['probability']:.2f})" if one.get("probability") is not None else ""
        found.append(f"{' | '.join(one['texts'])}\n  {said}{sure}; explained: {one['explained']}")
        ranked = sorted(one["words"], key=lambda word: -abs(word["attribution"]))[:8]
        found.append("  " + "  ".join(f"{word['text']} {word['attribution']:+.2f}" for word in ranked))
        error = one["completeness_error"]
        found.append(f"  {one['verdict']} The parts miss {error:.1%} of the whole.")
        for name in ("influence", "against", "neighbours"):
            for other in one.get(name, ()):
                place = f"{other['file']}:{other['line']}" if other["line"] else f"row {other['row']}"
                text = " | ".join(other["texts"])
                found.append(f"  {name} {other['score']:+.2f} {place} [{other['gold']}] {text[:90]}")
    return found
