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
from lightune.backbones.encode import Limits
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Example, Row
from lightune.core.tokens import Tokens
from lightune.data.read import stream
from lightune.data.settings import DataSettings
from lightune.explain.asked import KINDS, ask
from lightune.explain.attributions import Attributions, attribute, require_captum
from lightune.explain.faithful import Faithful, faithfulness
from lightune.explain.pieces import Word, words_of
from lightune.explain.probe import first_sequence, open_probe, recording
from lightune.explain.rollout import attentions_of, rollout
from lightune.run import Run, load
from lightune.runs.folder import RunState, read_state
from lightune.steps.answer import read_columns, text_columns
from lightune.steps.influence import Influences, training_influences
from lightune.tasks.base import Task

REPLY_TOKENS = 24
CAUSAL = {"text"}


@dataclass(frozen=True)
class Wanted:
    """What to explain, and how.

    Attributes:
        texts: given on the command line; `data`: a file of them, of which `limit` rows.
        columns: which columns of the file to read.
        word: for tags, the word whose tag is explained.
        num_examples: training examples of each kind to show; 0: none are looked for.
        next_token: of a run that writes, explain the next token instead of a whole reply.
        page: an HTML file to write.
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


def explain(folder: Path, wanted: Wanted, settings: DataSettings, show: Show) -> dict[str, Any]:
    """{texts: [one explanation each], run, task, seconds, page}.

    Raises:
        UserError: no text, captum is not installed, or a task that is not explained.
    """
    state = read_state(folder)
    kind = plugins.load(tasks, state.task, Task)  # type: ignore[type-abstract]
    if kind.kind not in KINDS:
        raise UserError(f"explain does not know the task {state.task}", file=folder)
    texts = _texts(state, kind, wanted, settings)
    require_captum()
    run = load(folder, show)
    if run.backbone.start_id is not None:
        raise UserError("explain does not know models whose decoder writes what an encoder read", file=folder)
    influences = training_influences(run, show) if wanted.num_examples else None
    began = time.perf_counter()
    found = []
    with show.bar("explaining", len(texts)) as bar:
        for one in texts:
            found.append(explain_one(run, one, wanted, influences))
            bar.advance()
    result = {"run": str(folder), "task": state.task, "texts": found}
    if wanted.page:
        from lightune.runs.explanation import write_explanations

        write_explanations(Path(wanted.page), folder.name, found)
        result["page"] = wanted.page
    return {**result, "seconds": time.perf_counter() - began}


def _texts(
    state: RunState, kind: type[Task], wanted: Wanted, settings: DataSettings
) -> list[tuple[str, ...]]:
    """The texts (or pairs) to explain, from the command line or a file.

    Raises:
        UserError: none, or half a pair.
    """
    expected = len(kind.reads(state.text))
    if bool(wanted.texts) == bool(wanted.data):
        hint = 'Give texts ("A fine film.") or a file with --data FILE, not both.'
        raise UserError("there is nothing to explain" if not wanted.texts else "texts and a file", hint=hint)
    if wanted.texts:
        if len(wanted.texts) % expected:
            raise UserError("half a pair of texts is missing", hint="This run takes two texts at a time.")
        return [tuple(wanted.texts[n : n + expected]) for n in range(0, len(wanted.texts), expected)]
    assert wanted.data is not None
    if wanted.limit < 1:
        raise UserError(f"--limit cannot be {wanted.limit}", hint="Give 1 or more.")
    found: list[tuple[str, ...]] = []
    for row in stream(wanted.data, settings):
        columns = wanted.columns or text_columns(read_columns(state), row)
        Run._require_texts(row, columns)
        found.append(tuple(_as_text(row.values[name]) for name in columns))
        if len(found) == wanted.limit:
            break
    if not found:
        raise UserError("there are no rows", file=wanted.data)
    return found


def _as_text(value: Any) -> str:
    """A cell as one text; words that were given one by one are joined."""
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def explain_one(
    run: Run, texts: tuple[str, ...], wanted: Wanted, influences: Influences | None
) -> dict[str, Any]:
    """All of one text.

    Raises:
        UserError: a text without a word.
    """
    began = time.perf_counter()
    example, answer = _answered(run, texts, wanted.next_token)
    encoded = run.task.encode(run.backbone.tokenizer, [example], Limits(**run.state.limits))
    tokens = first_sequence(_asking(encoded.tokens, wanted.next_token))
    words, word_of = _explained(run, tokens, texts)
    if not words:
        raise UserError(f"there is no word in the text {texts[0][:40]!r}")
    with recording(run.backbone):
        batch = tokens.batch(np.arange(1), pad_id=run.backbone.pad_id, device=run.backbone.device)
        outputs = run.method.forward(run.backbone, batch).detach().float()
        asked = ask(run.task, outputs, batch, (words, word_of), wanted.word)
        probe = open_probe(run.backbone, run.method, tokens, word_of >= 0, asked.read)
        found = attribute(probe, word_of)
        faithful = faithfulness(probe, word_of, found.integrated, seed=wanted.seed, scale=asked.scale)
    looked = attentions_of(run.backbone, batch)
    shares = None if looked is None else _read_from(run, rollout(looked), asked.place, word_of)
    result = {
        "texts": list(texts),
        **answer,
        "explained": asked.what,
        "words": _word_rows(words, found, shares),
        **_figures(found, faithful),
        "is_cut": len(encoded.tokens.offsets) > 2 or encoded.num_cut > 0,
        "seconds": time.perf_counter() - began,
    }
    result["verdict"] = believable(result)
    return result if influences is None else result | influences.of(texts, wanted.num_examples)


def _answered(run: Run, texts: tuple[str, ...], next_token: bool) -> tuple[Example, dict[str, Any]]:
    """The example with what was said of it, and that for the person; a reply is written first."""
    if run.task.kind != "text":
        [example] = run._examples([texts])
        [prediction] = run._decide([example])
        return example, run.task.columns_of(prediction)
    from lightune.backbones.writer import Writing

    [reply] = run.generate(list(texts), Writing(max_new_tokens=1 if next_token else REPLY_TOKENS))
    names = run.task.reads(run.state.text)
    row = Row(0, dict(zip(names, texts, strict=True)), "")
    return run.task.row_to_example(row, tuple(names), reply), {"generated": reply}


def _asking(tokens: Tokens, next_token: bool) -> Tokens:
    """Tokens of which only the first answer is asked for, where that is wanted."""
    if not next_token or tokens.units is None:
        return tokens
    units = tokens.units.copy()
    units[np.flatnonzero(units >= 0)[1:]] = -1
    return Tokens(tokens.ids, tokens.types, tokens.offsets, tokens.windows, units)


def _explained(run: Run, tokens: Tokens, texts: tuple[str, ...]) -> tuple[list[Word], NDArray[np.int64]]:
    """The words that can speak for the answer; of a chat those before the reply."""
    words, word_of = words_of(run.backbone.tokenizer, tokens.ids, texts)
    if run.task.kind in CAUSAL and tokens.units is not None:
        asked = np.flatnonzero(tokens.units >= 0)
        word_of = np.where(np.arange(len(word_of)) < asked[0] + 1, word_of, -1)
        placed = [number for number, one in enumerate(words) if one.start is not None]
        if placed:  # the text stands in a template, which is not the person's
            word_of = np.where(np.isin(word_of, placed), word_of, -1)
    kept = sorted(set(word_of.tolist()) - {-1})
    number = {word: place for place, word in enumerate(kept)}
    return [words[word] for word in kept], np.array([number.get(int(one), -1) for one in word_of])


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
        said = one.get("predicted", one.get("generated", one.get("answer", one.get("spans"))))
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
