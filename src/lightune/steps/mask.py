"""`lightune mask`, `lightune unmask`, and `train --privacy.mask on`: personal data out of rows, and in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError, nearest
from lightune.core.progress import Show
from lightune.core.rows import Row, Splits, Table
from lightune.data.bundled import bundled
from lightune.data.bundled import names as bundled_names
from lightune.data.read import read
from lightune.data.settings import DataSettings
from lightune.data.write import Writer
from lightune.privacy.masking import Finder, Masker, read_key, unmask
from lightune.privacy.personal import Found
from lightune.tasks.base import Task

PEOPLE = {"PER", "PERSON", "PERS", "NR", "NAME"}
PLACES = {"LOC", "ADDRESS", "NS"}


def mask_file(
    data: str, output: str, settings: DataSettings, show: Show, *, key: str | None, names: str | None
) -> dict[str, Any]:
    """Write the rows of `data` with placeholders for personal data; {rows, output, found, key}."""
    table = _table(data, settings, show)
    masker = Masker(Path(key).expanduser() if key else None, tagger(names) if names else None)
    with Writer(output, table.columns) as writer, show.bar("masking", len(table)) as bar:
        for row in table.rows:
            masker.start_row()
            writer.write(masker.mask(row.values))
            bar.advance(1)
        masker.save_key()  # before the file has its name: no placeholder without what it stands for
    show.note(f"{masker.describe()} in {len(table)} rows")
    return {"rows": len(table), "output": output, "found": dict(masker.counts), "key": key}


def unmask_file(data: str, output: str, key: str, settings: DataSettings, show: Show) -> dict[str, Any]:
    """Write the rows of `data` with what the placeholders stand for; {rows, output, unknown}."""
    known = read_key(Path(key).expanduser())
    table = _table(data, settings, show)
    lost = 0
    with Writer(output, table.columns) as writer:
        for row in table.rows:
            values, unknown = unmask(row.values, known)
            lost += unknown
            writer.write(values)
    if lost:
        show.warn(f"{lost} placeholders are not in the key, and stay")
    return {"rows": len(table), "output": output, "unknown": lost}


def _table(data: str, settings: DataSettings, show: Show) -> Table:
    is_bundled = data in bundled_names() and not Path(data).exists()
    return read(str(bundled(data, show)) if is_bundled else data, settings).train


def mask_splits(splits: Splits, columns: Sequence[str], masker: Masker) -> Splits:
    """The same rows with `columns` masked, in all parts."""

    def masked(table: Table | None) -> Table | None:
        return table and masked_table(table, columns, masker)

    train = masked_table(splits.train, columns, masker)
    return replace(splits, train=train, validation=masked(splits.validation), test=masked(splits.test))


def masked_table(table: Table, columns: Sequence[str], masker: Masker | None = None) -> Table:
    """The same rows with `columns` masked, as a run that was trained so sees them."""
    masker = masker or Masker()
    return replace(table, rows=[_masked(row, columns, masker) for row in table.rows])


def _masked(row: Row, columns: Sequence[str], masker: Masker) -> Row:
    masker.start_row()
    found = {name: masker.mask(row.values[name]) for name in columns if name in row.values}
    return replace(row, values={**row.values, **found})


def require_maskable(task: type[Task]) -> None:
    """Raise `UserError` where the answers point at places in the text, which masking moves."""
    if task.points_into_text:
        raise UserError(
            f"--privacy.mask would move the places that the answers of {task.name} point at",
            hint="Mask the file first (lightune mask) and label it then.",
        )


def tagger(folder: str) -> Finder:
    """Finds names of people by a run of the task `tag`.

    Raises:
        UserError: another task, or one without a type for people.
    """
    from lightune.run import load

    run = load(folder)
    if run.task.name != "tag":
        hint = "Train one with: lightune train people-daily --task tag"
        raise UserError(f"--names takes a run of the task tag, not {run.task.name}", file=folder, hint=hint)
    kinds = {label.split("-")[-1].upper() for label in run.task.labels}
    if not kinds & PEOPLE:
        raise UserError("this run has no type for people", file=folder, hint=nearest("PER", kinds))

    def find(text: str) -> Iterable[Found]:
        if not text.strip():
            return
        for span in run.predict([text])[0].label:
            if str(span["type"]).upper() in PEOPLE:
                yield Found(span["start"], span["end"], "NAME")
            elif str(span["type"]).upper() in PLACES:
                yield Found(span["start"], span["end"], "ADDRESS")

    return find
