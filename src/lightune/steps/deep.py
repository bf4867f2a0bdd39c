"""`lightune check --deep`: what only a model sees in the data. Most of it runs on stored activations.

Labels that models trained on the other rows hold for wrong, near-duplicates, texts of test that are nearly in
training, texts unlike all others, groups too small to learn from or to be measured.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lightune import methods
from lightune.backbones.source import Source
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Decisions
from lightune.core.tokens import Ints
from lightune.data.exclude import COLUMNS, Finding
from lightune.data.profile import is_missing
from lightune.data.write import Writer
from lightune.explain.label_errors import label_errors, require_cleanlab
from lightune.explain.neighbours import directions, near_duplicates, outliers
from lightune.explain.opinions import by_states, by_words, of_epochs, weighed
from lightune.methods.base import Method
from lightune.privacy.settings import require_usual
from lightune.request import SLOW_BUT_SURE, Request
from lightune.runs.findings import write_findings_page
from lightune.steps.folds import out_of_fold
from lightune.steps.gather import Gathered, gather, read_splits
from lightune.steps.inspect import inspect
from lightune.steps.learn import resolve_descent
from lightune.steps.prepare import FEW_ROWS, FEW_ROWS_METHOD, Prepared, choose_model, head_of, prepare
from lightune.steps.states import states_of
from lightune.tasks.base import softmax

TASKS = ("classify", "pair", "multilabel", "regress")
FOLDS = (5, 3)  # the second where the first would take too long
LEAST_ROWS = 40  # to train on a part of
SMALL_GROUP = 20  # rows: an accuracy measured on fewer is known to no better than 20 points
MOST_GROUPS = 20  # a column with more values does not name groups
# What doubts labels, the best first (movies, 5% flipped, docs/log.md 2026-11-26 and 2026-11-30); one that
# would take longer than this even in the fewest folds gives way to the next.
NETWORKS = ("full", SLOW_BUT_SURE, FEW_ROWS_METHOD)
MOST_SECONDS = 900.0


@dataclass(frozen=True)
class Looked:
    """The data with its vectors (E, H), of length 1 and centred."""

    gathered: Gathered
    prepared: Prepared
    vectors: np.ndarray


def look_deeper(request: Request, output: str | None, show: Show) -> dict[str, Any]:
    """The object of `check`, with `deep`: findings, counts, where they are written, what was skipped.

    Raises:
        UserError: as `check`, or a task whose rows have no one vector.
    """
    began = time.perf_counter()
    require_usual(request.privacy, "check --deep")
    result = inspect(request, show)
    if any(one["is_fatal"] for one in result["problems"]):
        show.warn("the deep checks wait until what stops training is mended")
        return result
    if result["task"] not in TASKS:
        hint = f"It looks at data of the tasks {', '.join(TASKS)}."
        raise UserError(f"--deep does not know the task {result['task']}", file=request.data, hint=hint)
    own = _whole(request)
    gathered = gather(own, show)
    source = choose_model(own, gathered, show)
    found: list[Finding] = []
    skipped: list[str] = []
    prepared, num_folds = _network(own, gathered, source, show)
    states = states_of(prepared, own, show, _upper_depths(prepared))
    found += _alike(Looked(gathered, prepared, directions(states[-1])))
    if reason := _why_not_labels(gathered):
        skipped.append(reason)
    else:
        folds = _without_validation(gathered).folds(num_folds, own.seed)
        probability = _probability(own, prepared, gathered, states, folds, show)
        found = _wrong_labels(gathered, prepared, probability, skipped) + found
    for reason in skipped:
        show.warn(reason)
    found += _small_groups(own, gathered, show)
    seconds = time.perf_counter() - began
    result["deep"] = _kept(found, gathered, request, output) | {
        "skipped": skipped,
        "network": prepared.method.name,
        "folds": num_folds,
        "seconds": seconds,
    }
    return result


def _whole(request: Request) -> Request:
    """The same request, with every row of the file in one part, repeated rows too."""
    changed = {"validation_fraction": "0", "test_fraction": "0", "duplicates": "keep"}
    return replace(request, groups={**request.groups, "data": {**request.groups.get("data", {}), **changed}})


def _why_not_labels(gathered: Gathered) -> str:
    """Why labels cannot be doubted, in words; "" when they can."""
    if gathered.task.kind != "classes":
        return f"label errors are found among classes only, and the task is {gathered.task.name}"
    if len(gathered.train) < LEAST_ROWS:
        return f"label errors were not looked for: {len(gathered.train)} rows are too few for folds"
    try:
        require_cleanlab()
    except UserError as error:
        return f"label errors were not looked for: {error.problem}. {error.hint}"
    return ""


def _network(request: Request, gathered: Gathered, source: Source, show: Show) -> tuple[Prepared, int]:
    """Ready to train, and in how many folds: the method asked for, or the first of `NETWORKS` in time."""
    names = [request.method_name]
    if request.method == "auto":
        names = list(NETWORKS) if len(gathered.train) >= FEW_ROWS else [FEW_ROWS_METHOD]
    folds = _possible_folds(gathered)
    for name in names:
        kind = plugins.load(methods, name, Method)  # type: ignore[type-abstract]
        method = kind(request.method_settings(name), head_of(kind, request, gathered.task))
        prepared = prepare(request, gathered, source, method, show)
        a_training = _seconds_of_training(request, prepared, gathered)
        for number in folds:
            if (number - 1) * a_training <= MOST_SECONDS:
                return prepared, number
        if name != names[-1]:
            seconds = (folds[-1] - 1) * a_training
            show.note(f"{name} would take {seconds:.0f} s: a cheaper network takes its place")
    return prepared, folds[-1]


def _possible_folds(gathered: Gathered) -> list[int]:
    """`FOLDS`, none more than there are groups of rows that must stay together."""
    if not gathered.groups:
        return list(FOLDS)
    num_groups = len({gathered.groups[row] for row in gathered.train})
    return [min(number, max(2, num_groups)) for number in FOLDS]


def _seconds_of_training(request: Request, prepared: Prepared, gathered: Gathered) -> float:
    """About how long all epochs on all rows take; 0 where that is not known.

    A step costs as three passes in float32, also where bfloat16 is quicker: steps gain less by it than passes
    do (MiniLM, 4,000 sentences, five folds of three epochs: 389 s foreseen like that, 373 taken, 2026-11).
    """
    speeds = prepared.pace.speeds
    if speeds is None or prepared.cut > 0 or _why_not_labels(gathered):
        return 0.0
    epochs = resolve_descent(request, prepared, replace(gathered, decisions=Decisions())).epochs
    return prepared.tokens.num_tokens * 3 * epochs / speeds.float32


def _upper_depths(prepared: Prepared) -> list[int]:
    """The upper half of the network; the top of one whose layers are one layer."""
    backbone = prepared.backbone
    return (
        [backbone.depth]
        if backbone.structure.is_shared
        else list(range(backbone.depth // 2, backbone.depth + 1))
    )


def _probability(
    request: Request,
    prepared: Prepared,
    gathered: Gathered,
    states: np.ndarray,
    folds: list[tuple[Ints, Ints]],
    show: Show,
) -> np.ndarray:
    """(train, C) of every training row, by models that did not see it: words, states, a network."""
    gold = prepared.targets[gathered.train]
    place = {int(row): number for number, row in enumerate(gathered.train)}

    def places(rows: Ints) -> Ints:
        return np.array([place[int(row)] for row in rows], dtype=np.int64)

    numbered = [(places(rows), places(held)) for rows, held in folds]
    texts = [" ".join(one.texts) for one in gathered.part(gathered.train)]
    has_blanks = np.mean([len(text.split()) > 1 for text in texts]) > 0.5
    opinions = [
        by_words(texts, gold, numbered, has_blanks=bool(has_blanks)),
        by_states(states[:, gathered.train], gold, numbered),
    ]
    descent = resolve_descent(request, prepared, gathered)
    logits = out_of_fold(prepared, gathered, descent, folds, show)[:, gathered.train]
    network = of_epochs([softmax(one) for one in logits], gold)
    found, weights = weighed([*opinions, network], gold)
    counts = zip(("words", "states", prepared.method.name), weights, strict=True)
    show.note("labels are doubted by " + ", ".join(f"{name} ({weight:.2f})" for name, weight in counts))
    return found


def _without_validation(gathered: Gathered) -> Gathered:
    """The same data without its own validation file in the folds."""
    return replace(gathered, validation=np.zeros(0, dtype=np.int64))


def _wrong_labels(
    gathered: Gathered,
    prepared: Prepared,
    probability: np.ndarray,
    skipped: list[str],
) -> list[Finding]:
    """Labels that are likely wrong, the likeliest first; then those that models do not share, less surely."""
    gold = prepared.targets[gathered.train]
    right, guessed = float(np.mean(probability.argmax(axis=1) == gold)), np.bincount(gold).max() / len(gold)
    if right < guessed + 2 * np.sqrt(guessed * (1 - guessed) / len(gold)):
        words = f"right on {right:.0%} of rows not seen, the commonest label on {guessed:.0%}"
        skipped.append(f"label errors were not looked for: the models have learnt too little ({words})")
        return []
    is_flagged, score = label_errors(gold, probability)
    labels, doubted = gathered.task.labels, probability.argmax(axis=1) != gold
    found = []
    for place in np.argsort(-score, kind="stable"):
        if not doubted[place]:
            continue
        example, is_wrong = gathered.examples[gathered.train[place]], bool(is_flagged[place])
        better = labels[int(probability[place].argmax())]
        message = f"labelled {example.gold!r}, but models trained on the other rows say {better!r}"
        kind = "label_error" if is_wrong else "doubtful_label"
        found.append(Finding(kind, float(score[place]), example, message, better, exclude=is_wrong))
    return sorted(found, key=lambda one: not one.exclude)


def _alike(looked: Looked) -> list[Finding]:
    """Near-duplicates, leaks, and texts unlike all others."""
    gathered, examples = looked.gathered, looked.gathered.examples
    part_of = {int(row): name for name in ("train", "validation", "test") for row in getattr(gathered, name)}
    found = []
    texts = [" | ".join(one.texts) for one in examples]
    for pair in near_duplicates(texts, looked.vectors):
        one, other = examples[pair.first], examples[pair.second]
        parts = part_of[pair.first], part_of[pair.second]
        if parts[0] != parts[1] and "train" in parts:
            held = parts[1] if parts[0] == "train" else parts[0]
            message = f"nearly the same text is in the {held} data ({_place(other)})"
            quoted = texts[pair.second]
            found.append(Finding("leak", pair.cosine, one, message, exclude=True, quoted=quoted))
        elif parts[0] == parts[1] == "train":
            differs = one.gold != other.gold
            what = f", with the label {one.gold!r}" if differs else ""
            message, quoted = f"nearly the same text as {_place(one)}{what}", texts[pair.first]
            found.append(
                Finding("near_duplicate", pair.cosine, other, message, exclude=not differs, quoted=quoted)
            )
    is_far, distance = outliers(looked.vectors[gathered.train])
    order = [place for place in np.argsort(-distance, kind="stable") if is_far[place]]
    message = "unlike every other text: another language, a fragment, or what does not belong here"
    found += [
        Finding("outlier", float(np.clip(distance[place], 0, 1)), examples[gathered.train[place]], message)
        for place in order
    ]
    return found


def _place(example: Any) -> str:
    return f"{example.file} line {example.line}" if example.line else f"{example.file} row {example.row}"


def _small_groups(request: Request, gathered: Gathered, show: Show) -> list[Finding]:
    """Labels, and values of columns that name groups, with few rows."""
    table = read_splits(request, Show(is_quiet=True)).train
    by_row = {gathered.examples[row].row: gathered.examples[row] for row in gathered.train}
    columns = [name for name in table.columns if name not in gathered.columns.text]
    found = []
    for name in columns:
        values = {
            row.index: str(row.values[name]) for row in table.rows if not is_missing(row.values.get(name))
        }
        counts = Counter(values[row] for row in by_row if row in values)
        if name != gathered.columns.label and not 2 <= len(counts) <= MOST_GROUPS:
            continue
        if gathered.task.kind == "number" and name == gathered.columns.label:
            continue
        for value, number in sorted(counts.items(), key=lambda item: item[1]):
            if number >= SMALL_GROUP:
                continue
            first = next(row for row in by_row if values.get(row) == value)
            message = f"only {number} rows have {name} = {value!r}: too few to learn from, or to be measured"
            found.append(Finding("small_group", 1 - number / SMALL_GROUP, by_row[first], message))
    return found


def _kept(
    found: Sequence[Finding], gathered: Gathered, request: Request, output: str | None
) -> dict[str, Any]:
    """The list and the page written, and the numbers for the person."""
    path = Path(output).expanduser() if output else _free_name(request.data)
    rows = [one.as_row(shows_texts=request.shows_texts) for one in found]
    with Writer(str(path), COLUMNS) as writer:
        for row in rows:
            writer.write(row)
    page = path.with_suffix(".html")
    write_findings_page(page, Path(request.data).name, rows, shows_texts=request.shows_texts)
    counts = Counter(one.kind for one in found)
    return {
        "findings": [{key: value for key, value in row.items() if key != "text"} for row in rows],
        "counts": dict(counts),
        "flagged_share": counts["label_error"] / max(1, len(gathered.train)),
        "output": str(path),
        "page": str(page),
    }


def _free_name(data: str) -> Path:
    """`STEM-findings-N.csv`, the first that is free: a list that was gone through stays."""
    stem, number = Path(data).stem or "data", 1
    while (path := Path(f"{stem}-findings-{number}.csv")).exists():
        number += 1
    return path
