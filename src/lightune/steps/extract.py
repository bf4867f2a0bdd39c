"""Texts to facts by a chain of runs: entities, the relations of all pairs in a sentence, events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, islice, permutations
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.marking import plain_type
from lightune.core.paths import require_free
from lightune.core.progress import Show
from lightune.core.rows import Row
from lightune.core.sentences import split_sentences
from lightune.core.spans import join_words
from lightune.data.read import stream
from lightune.data.settings import DataSettings
from lightune.data.write import Writer
from lightune.evaluate.relations import DIRECTED, is_directed
from lightune.run import Run, load
from lightune.runs.extraction import MOST_SHOWN, extraction_page
from lightune.runs.folder import read_state
from lightune.steps.answer import text_columns

CHUNK_TEXTS = 256
NEEDED = {"entities": "tag", "relations": "relation", "events": "event"}  # part -> task of its run


@dataclass(frozen=True)
class Folders:
    """The runs of the chain; None: that part is not wanted."""

    entities: Path
    relations: Path | None
    events: Path | None


@dataclass(frozen=True)
class Chain:
    """The runs, opened."""

    entities: Run
    relations: Run | None
    events: Run | None


@dataclass(frozen=True)
class Places:
    """Where the result goes: a table (None: JSON lines on stdout) and a page (None: none)."""

    output: str | None
    page: Path | None
    is_json: bool


def extract(
    folders: Folders, data: str, *, text: str | None, settings: DataSettings, places: Places, show: Show
) -> dict[str, Any]:
    """Every text of `data` with what it says; the JSON object of `lightune extract`.

    Raises:
        UserError: a run of another task, no such file or column, a place that cannot be written to.
    """
    began = time.perf_counter()
    check_folders(folders)
    _check_page(places.page)
    rows = stream(data, settings)
    first = next(rows, None)
    if first is None:
        raise UserError("there are no rows", file=data)
    column = text or text_columns(read_state(folders.entities).text[:1], first)[0]
    Run._require_texts(first, (column,))
    parts = [name for name in ("entities", "relations", "events") if getattr(folders, name)]
    names = [name for name in first.values if name not in {"text", *NEEDED}] + ["text", *parts]
    if places.output is not None:
        Writer(places.output, names)  # what is wrong with the place is said before any run is opened
    runs = open_chain(folders, show)
    shown: list[dict[str, Any]] = []
    found = _watched(facts(runs, chain([first], rows), column), shown)
    listed, number = _put(found, names, places)
    if places.page is not None:
        _write_page(places.page, extraction_page(shown, title=f"Extracted from {data}", number=number))
    seconds = time.perf_counter() - began
    for place in (places.output, places.page):
        if place:
            show.note(f"{number} texts written to {place} in {seconds:.1f} s")
    page = str(places.page) if places.page else None
    result = {"output": places.output, "page": page, "count": number, "seconds": seconds}
    return result if listed is None else {"rows": listed, **result}


def check_folders(folders: Folders) -> None:
    """Raise `UserError` when a folder is no run, or a run of a task that its part cannot use."""
    for part, wanted in NEEDED.items():
        folder = getattr(folders, part)
        if folder is None:
            continue
        task = read_state(folder).task
        if task != wanted:
            hint = f"Train one with: lightune train DATA --task {wanted}"
            raise UserError(
                f"--{part} needs a run of the task {wanted}, this is {task}", file=folder, hint=hint
            )


def open_chain(folders: Folders, show: Show) -> Chain:
    """Open the runs; says which types of entities the relations were not trained on."""
    opened = {part: load(getattr(folders, part), show) if getattr(folders, part) else None for part in NEEDED}
    entities, relations = opened["entities"], opened["relations"]
    assert entities is not None
    if not getattr(entities.task, "has_spans", True):
        hint = "Give a run that was trained on spans, such as names of people and places."
        raise UserError(
            "the run of --entities tags words and finds no spans", file=folders.entities, hint=hint
        )
    known = set(getattr(relations.task, "types", None) or ()) if relations else set()
    kinds = {label.partition("-")[2] for label in entities.labels} - {""}
    new = sorted(kind for kind in kinds if plain_type(kind) not in known)
    if known and new:
        show.warn(f"the relations were trained without entities of type {', '.join(new)}")
    return Chain(entities, relations, opened["events"])


def facts(runs: Chain, rows: Iterable[Row], column: str) -> Iterator[dict[str, Any]]:
    """The rows with `text`, `entities`, `relations` (by numbers of entities), `events`; in chunks."""
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK_TEXTS)):
        for row in chunk:
            Run._require_texts(row, (column,))
        texts = [_text_of(row.values[column]) for row in chunk]
        entities = [one.label for one in runs.entities.predict(texts)]
        found = [
            {**row.values, "text": text, "entities": one}
            for row, text, one in zip(chunk, texts, entities, strict=True)
        ]
        sentences = [
            split_sentences(text, [(one["start"], one["end"]) for one in own])
            for text, own in zip(texts, entities, strict=True)
        ]
        if runs.relations is not None:
            listed = _relations(runs.relations, texts, entities, sentences)
            found = [{**one, "relations": own} for one, own in zip(found, listed, strict=True)]
        if runs.events is not None:
            listed = _events(runs.events, texts, sentences)
            found = [{**one, "events": own} for one, own in zip(found, listed, strict=True)]
        yield from found


def _relations(
    run: Run,
    texts: Sequence[str],
    entities: Sequence[list[dict[str, Any]]],
    sentences: Sequence[list[tuple[int, int]]],
) -> list[list[dict[str, Any]]]:
    """The relations of each text; pairs without one are left out."""
    none = getattr(run.task, "none", None)
    is_turned = is_directed(run.labels, none)  # the label says the direction: each pair is asked about once
    asked: list[tuple[int, int, int]] = []
    rows: list[Row] = []
    for number, text in enumerate(texts):
        for start, end in sentences[number]:
            own = entities[number]
            inside = [n for n, one in enumerate(own) if start <= one["start"] and one["end"] <= end]
            for head, tail in combinations(inside, 2) if is_turned else permutations(inside, 2):
                pair = {"head": _shifted(own[head], -start), "tail": _shifted(own[tail], -start)}
                rows.append(Row(number, {run.state.text[0]: text[start:end], **pair}, ""))
                asked.append((number, head, tail))
    found: list[list[dict[str, Any]]] = [[] for _ in texts]
    for (number, *pair_asked), said in zip(asked, run.predict_rows(rows, run.state.text), strict=True):
        if said["relation"] != none:
            relation, head, tail = _in_direction(said["relation"], *pair_asked, is_turned=is_turned)
            own = entities[number]
            answer = {"head": head, "relation": relation, "tail": tail, "probability": said["probability"]}
            named = {"head_text": own[head]["text"], "tail_text": own[tail]["text"]}
            found[number].append({**answer, **named})
    return found


def _in_direction(relation: str, head: int, tail: int, *, is_turned: bool) -> tuple[str, int, int]:
    """`Cause(e2,e1)` of a and b is `Cause` of b and a."""
    parts = DIRECTED.fullmatch(relation) if is_turned else None
    if parts is None:
        return relation, head, tail
    return (parts[1], head, tail) if parts[2] == "e1,e2" else (parts[1], tail, head)


def _events(
    run: Run, texts: Sequence[str], sentences: Sequence[list[tuple[int, int]]]
) -> list[list[dict[str, Any]]]:
    """The events of each text, found sentence by sentence, placed in the whole text."""
    places = [(number, start, end) for number, own in enumerate(sentences) for start, end in own]
    answers = run.predict([texts[number][start:end] for number, start, end in places])
    found: list[list[dict[str, Any]]] = [[] for _ in texts]
    for (number, start, _), answer in zip(places, answers, strict=True):
        for event in answer.label:
            shifted = [_shifted(one, start) for one in event["arguments"]]
            trigger = _shifted(event["trigger"], start)
            found[number].append({**event, "trigger": trigger, "arguments": shifted})
    return found


def _shifted(place: dict[str, Any], by: int) -> dict[str, Any]:
    return {**place, "start": place["start"] + by, "end": place["end"] + by}


def _text_of(value: Any) -> str:
    """A cell as text; words are joined."""
    if isinstance(value, (list, tuple)):
        return join_words([str(word) for word in value])[0]
    return "" if value is None else str(value)


def _watched(rows: Iterator[dict[str, Any]], shown: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows; the first ones are kept in `shown`."""
    for row in rows:
        if len(shown) < MOST_SHOWN:
            shown.append(row)
        yield row


def _put(
    rows: Iterator[dict[str, Any]], names: list[str], places: Places
) -> tuple[list[dict[str, Any]] | None, int]:
    """(the rows, where they are to be in the JSON object; how many there are)."""
    if places.output is not None:
        with Writer(places.output, names) as writer:
            for row in rows:
                writer.write(row)
        return None, writer.num_rows
    if places.is_json:
        listed = [{name: row.get(name) for name in names} for row in rows]
        return listed, len(listed)
    number = 0
    for row in rows:
        number += 1
        if places.page is None:
            print(json.dumps({name: row.get(name) for name in names}, ensure_ascii=False, default=str))
    return None, number


def _check_page(page: Path | None) -> None:
    if page is not None and (page.is_dir() or not page.parent.is_dir()):
        problem = "this is a folder" if page.is_dir() else "the folder of the page does not exist"
        raise UserError(problem, file=page, hint="Give a file such as facts.html.")


def _write_page(path: Path, text: str) -> None:
    """The page appears whole or not at all."""
    data = text.encode("utf-8")
    require_free(path.parent, len(data), "the page")
    work = path.with_name(f".{path.name}.part")
    try:
        work.write_bytes(data)
        work.replace(path)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror or error}", file=path) from None
    finally:
        work.unlink(missing_ok=True)
