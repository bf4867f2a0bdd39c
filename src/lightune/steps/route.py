"""Several runs with one backbone in memory: each text is answered by the run that is named.

What the runs' networks have in common, down to the last bit, is kept once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError, nearest
from lightune.core.progress import Show
from lightune.core.rows import Row
from lightune.data.read import stream
from lightune.data.settings import DataSettings
from lightune.data.write import Writer
from lightune.run import CHUNK_ROWS, Run, open_run
from lightune.runs.folder import RunState, Told, read_state
from lightune.steps.answer import Wanted, read_columns, text_columns


class Runs:
    """Runs by name. They share the tensors that are equal in all of them: the frozen backbone."""

    def __init__(self, runs: Mapping[str, Run]) -> None:
        self.runs = dict(runs)

    @property
    def names(self) -> tuple[str, ...]:
        """What the runs are called."""
        return tuple(self.runs)

    def __getitem__(self, name: str) -> Run:
        """The run of a name.

        Raises:
            UserError: there is none; the nearest is named.
        """
        if name not in self.runs:
            raise UserError(f"there is no run called {name!r} here", hint=nearest(name, self.runs))
        return self.runs[name]

    def predict(
        self, texts: Sequence[str | tuple[str, str]], *, adapter: str, precision: str = "exact"
    ) -> list[Any]:
        """What the run called `adapter` says of texts."""
        return self[adapter].predict(texts, precision=precision)


def load_many(folders: Mapping[str, str | Path], show: Show | None = None) -> Runs:
    """Open several runs of one backbone, which is kept in memory once: `{"a": "runs/a", "b": "runs/b"}`.

    Raises:
        UserError: a run that cannot be opened, or one of another backbone.
    """
    if not folders:
        raise UserError("no run was named", hint="Give a name and a folder for each.")
    states = {name: read_state(Path(folder)) for name, folder in folders.items()}
    _require_one_backbone(states)
    pool: dict[str, Any] = {}
    runs = {}
    for name, folder in folders.items():
        runs[name] = open_run(Path(folder), show, Told())
        share(runs[name].backbone, pool)
    return Runs(runs)


def share(backbone: Any, pool: dict[str, Any]) -> int:
    """Use the tensors of `pool` where they equal the network's own, add the others; bytes that were saved.

    Names are those in the pre-trained part, without what a wrapper adds to them.
    """
    import torch

    saved = 0
    for name, parameter in backbone.base.named_parameters():
        if parameter.requires_grad:
            continue
        key = name.replace(".base_layer.", ".").replace("original_module.", "")
        known = pool.setdefault(key, parameter.data)
        is_same = known.shape == parameter.shape and known.data_ptr() != parameter.data_ptr()
        if is_same and torch.equal(known, parameter.data):
            saved += parameter.numel() * parameter.element_size()
            parameter.data = known
    return saved


def _require_one_backbone(states: Mapping[str, RunState]) -> None:
    (first, one), *others = states.items()
    for name, state in others:
        if state.digest != one.digest:
            problem = f"the run {name!r} is of another backbone ({state.model}) than {first!r} ({one.model})"
            raise UserError(problem, hint="One backbone is kept in memory: open the other run by itself.")


def answer_by_route(
    folders: Sequence[Path], data: str, column: str, *, settings: DataSettings, wanted: Wanted, show: Show
) -> dict[str, Any]:
    """Predict a file, each row by the run that `column` names; the JSON object of `predict`.

    Raises:
        UserError: runs of one name or of several backbones, a name that none has, a missing column.
    """
    began = time.perf_counter()
    if wanted.abstain_below is not None or wanted.told != Told() or wanted.beams != 1:
        raise UserError("--route takes no --abstain-below, --beams, --model or --labels")
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise UserError("two of the runs have the same folder name, which --route tells them by")
    states = {name: read_state(folder) for name, folder in zip(names, folders, strict=True)}
    _require_one_backbone(states)
    rows = stream(data, settings)
    first = next(rows, None)
    if first is None:
        raise UserError("there are no rows", file=data)
    _name_of(first, column, states)
    texts = {name: wanted.text or text_columns(read_columns(state), first) for name, state in states.items()}
    runs = load_many(dict(zip(names, folders, strict=True)), show)
    answers = _routed(runs, chain([first], rows), column, texts, wanted.precision)
    added = list(dict.fromkeys(one for run in runs.runs.values() for one in run.task.added))
    header = [name for name in first.values if name not in added] + added
    result: dict[str, Any] = {"runs": names}
    if wanted.is_json and wanted.output is None:
        listed = list(answers)
        return {**result, "rows": listed, "count": len(listed), "seconds": time.perf_counter() - began}
    number = 0
    with Writer(wanted.output, header) as writer:
        for row in answers:
            writer.write({**dict.fromkeys(added), **row})
            number += 1
    seconds = time.perf_counter() - began
    if wanted.output:
        show.note(f"{number} rows written to {wanted.output} in {seconds:.1f} s")
    return {**result, "output": wanted.output, "count": number, "seconds": seconds}


def _name_of(row: Row, column: str, known: Mapping[str, Any]) -> str:
    """The run that a row names.

    Raises:
        UserError: no such column, or no such run.
    """
    if column not in row.values:
        hint = f"The columns are: {', '.join(row.values)}."
        raise UserError(f"there is no column {column!r}", file=row.file, line=row.line, hint=hint)
    name = str(row.values[column] or "").strip()
    if name not in known:
        problem = f"{name!r} is none of the runs that were given"
        hint = nearest(name, known)
        raise UserError(problem, file=row.file, line=row.line, column=column, hint=hint)
    return name


def _routed(
    runs: Runs, rows: Iterable[Row], column: str, texts: Mapping[str, Sequence[str]], precision: str
) -> Iterator[dict[str, Any]]:
    """Rows with their answers, in the order they come."""
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK_ROWS)):
        by_name: dict[str, list[int]] = {}
        for place, row in enumerate(chunk):
            by_name.setdefault(_name_of(row, column, runs.runs), []).append(place)
        found: list[dict[str, Any]] = [{}] * len(chunk)
        for name, places in by_name.items():
            mine = runs[name].predict_rows([chunk[place] for place in places], texts[name], precision)
            for place, answered in zip(places, mine, strict=True):
                found[place] = answered
        yield from found
