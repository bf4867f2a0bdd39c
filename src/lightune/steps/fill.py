"""Answers in the form that the programs of a file's own format read (SQuAD, gettext, CoNLL).

`predict RUN dev.json --output answers.json`: the format of the input writes files with some endings.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.paths import write_whole
from lightune.core.rows import Row
from lightune.data.formats.base import Format
from lightune.data.read import STDIN, find_format
from lightune.data.settings import DataSettings
from lightune.data.write import SUFFIXES, check_place, failed
from lightune.tasks.base import Task


@dataclass(frozen=True)
class Form:
    """A format, the file that is asked about, how it is read, and where the answers go."""

    format: Format
    data: Path
    settings: DataSettings
    output: Path

    def put(self, answers: Iterable[Mapping[str, Any]]) -> int:
        """Write the answers, whole or not at all; returns their number.

        Raises:
            UserError: the place cannot be written to.
        """
        rows = [Row(place, dict(values), str(self.data)) for place, values in enumerate(answers)]
        text = self.format.filled(self.data, self.settings, rows, self.output)
        with self.data.open("rb") as stream:
            has_mark = stream.read(3) == codecs.BOM_UTF8
        try:
            encoded = text.encode(self.settings.encoding)
            write_whole(self.output, has_mark * codecs.BOM_UTF8 + encoded)
        except UnicodeEncodeError as error:
            letter = error.object[error.start]
            hint = "Save the input as UTF-8 first."
            problem = f"an answer holds {letter!r}, which {self.settings.encoding} does not have"
            raise UserError(problem, file=self.output, hint=hint) from None
        except OSError as error:
            raise failed(error, self.output) from None
        return len(rows)


def form_of(data: str, settings: DataSettings, output: str | None, task: type[Task]) -> Form | None:
    """How the format of `data` writes `output`; None where the answers go into a table or to stdout.

    Raises:
        UserError: no folder for the output, or a run that gives no answers of that kind.
    """
    if output in {None, "-"} or data == STDIN:
        return None
    place = Path(str(output)).expanduser()
    if place.suffix.lower() in SUFFIXES:
        return None
    path = Path(data).expanduser()
    found = find_format(path, data)
    if not place.name.lower().endswith(found.fills or ("\0",)):
        return None
    if found.fills_from not in task.added:
        hint = f"Its answers are {', '.join(task.added)}: write them to a .csv or .jsonl file."
        problem = f"a run of the task {task.name} gives no column {found.fills_from!r} to fill this file with"
        raise UserError(problem, file=place, hint=hint)
    if settings.limit is not None:
        hint = "Leave --data.limit out, or write a .csv or .jsonl file."
        raise UserError("a file of this kind is written with all its answers", file=place, hint=hint)
    check_place(place)
    return Form(found, path, settings, place)
