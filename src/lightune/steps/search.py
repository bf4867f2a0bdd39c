"""Search with a run that makes vectors: a corpus is read in chunks, and the nearest texts are kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Row
from lightune.data.profile import text_of
from lightune.data.read import stream
from lightune.data.settings import DataSettings
from lightune.data.write import Writer
from lightune.evaluate.retrieval import nearest
from lightune.run import CHUNK_ROWS, Run, load
from lightune.runs.folder import RunState, read_state

COLUMNS = ("query", "rank", "similarity", "text", "row")


@dataclass(frozen=True)
class Asked:
    """What is looked for: one text, or a file of them; `top` answers each.

    Attributes:
        text: column of the corpus; query_text: of the file of queries; None: found.
        output: a file to write, None for none.
    """

    query: str | None
    queries: str | None
    top: int
    text: str | None
    query_text: str | None
    output: str | None


@dataclass(frozen=True)
class Hit:
    """A text of the corpus: how similar it is to the query, and its row."""

    similarity: float
    text: str
    row: int


def search(folder: Path, corpus: str, asked: Asked, *, settings: DataSettings, show: Show) -> dict[str, Any]:
    """The nearest texts of `corpus` for each query: the JSON object of `lightune search`.

    Raises:
        UserError: no query or two kinds of it, a run that makes no vectors, an empty corpus.
    """
    began = time.perf_counter()
    if (asked.query is None) == (asked.queries is None):
        hint = 'Give --query "some text", or --queries FILE.'
        raise UserError("one query is needed, or a file of queries", hint=hint)
    if asked.top < 1:
        raise UserError(f"--top cannot be {asked.top}", hint="Give 1 or more.")
    state = read_state(folder)
    rows, column = _open(corpus, settings, asked.text, state, side=1)
    wanted, query_column = [asked.query or ""], state.text[0]
    if asked.queries is not None:
        listed, query_column = _open(asked.queries, settings, asked.query_text, state, side=0)
        wanted = [_text(row, query_column) for row in listed]
    run = load(folder, show)
    queries = run.vectors(wanted, column=_role(query_column, state, 0))
    found, number = _nearest(run, queries, rows, column, asked.top)
    results: list[dict[str, Any]] = [
        {"query": query, "hits": [{"rank": place, **vars(hit)} for place, hit in enumerate(hits, 1)]}
        for query, hits in zip(wanted, found, strict=True)
    ]
    if asked.output:
        with Writer(asked.output, COLUMNS) as writer:
            for one in results:
                for hit in one["hits"]:
                    writer.write({"query": one["query"], **hit})
        show.note(f"the nearest of {number} texts for {len(wanted)} queries are in {asked.output}")
    seconds = time.perf_counter() - began
    return {"results": results, "corpus": number, "output": asked.output, "seconds": seconds}


def _nearest(
    run: Run, queries: NDArray[Any], rows: Iterator[Row], column: str, top: int
) -> tuple[list[list[Hit]], int]:
    """(the best hits of each query, how many texts there were); a chunk is in memory at a time."""
    best: list[list[Hit]] = [[] for _ in queries]
    role, number = _role(column, run.state, 1), 0
    while chunk := list(islice(rows, CHUNK_ROWS)):
        texts = [_text(row, column) for row in chunk]
        number += len(texts)
        places, values = nearest(queries, run.vectors(texts, column=role), top)
        for query, (near, similar) in enumerate(zip(places, values, strict=True)):
            new = [
                Hit(round(float(value), 7), texts[place], chunk[place].index)
                for place, value in zip(near, similar, strict=True)
            ]
            best[query] = sorted(best[query] + new, key=lambda hit: -hit.similarity)[:top]
    return best, number


def _open(
    source: str, settings: DataSettings, column: str | None, state: RunState, *, side: int
) -> tuple[Iterator[Row], str]:
    """The rows of a file and its column of texts: as asked, as in training, or the only one."""
    rows = stream(source, settings)
    first = next(rows, None)
    if first is None:
        raise UserError("there are no rows", file=source)
    names = list(first.values)
    known = [name for name in (column, *_of_side(state.text, side)) if name]
    chosen = next((name for name in known if name in names), names[0] if len(names) == 1 else None)
    if column is not None and chosen != column:
        raise UserError(
            f"there is no column {column!r}", file=source, hint=f"The columns are: {', '.join(names)}."
        )
    if chosen is None:
        flag = "--text" if side else "--query-text"
        hint = f"Name it with {flag} COLUMN. The columns are: {', '.join(names)}."
        raise UserError("it is not clear which column holds the texts", file=source, hint=hint)
    return chain([first], rows), chosen


def _of_side(trained: Sequence[str], side: int) -> list[str]:
    """Columns of training by how likely they are meant: that of the side first."""
    return [*trained[side : side + 1], *trained]


def _role(column: str, state: RunState, side: int) -> str:
    """The column of training whose kind of text it is."""
    return column if column in state.text else state.text[min(side, len(state.text) - 1)]


def _text(row: Row, column: str) -> str:
    value = row.values.get(column)
    return "" if value is None else text_of(value)
