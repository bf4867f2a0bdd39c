"""The list of findings that `check --deep` writes, and `--data.exclude`: what is not to be trained on."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightune.core.errors import UserError
from lightune.core.rows import Example

COLUMNS = ("exclude", "kind", "score", "file", "row", "line", "label", "suggested", "message", "text", "key")
NEEDED = ("file", "row")
YES, NO = "yes", "no"
MAX_TEXT = 300
MAX_QUOTED = 80


@dataclass(frozen=True)
class Finding:
    """One row that looks wrong. `exclude`: whether training is better off without it, in doubt not.

    Attributes:
        kind: label_error, doubtful_label, near_duplicate, leak, outlier, small_group.
        score: how sure, 0 to 1, comparable within a kind.
        suggested: the label that it should have, where that is known.
        quoted: what the message quotes of the data, behind it.
    """

    kind: str
    score: float
    example: Example
    message: str
    suggested: str = ""
    exclude: bool = False
    quoted: str = ""

    def as_row(self, *, shows_texts: bool = True) -> dict[str, object]:
        """Its line of the list; without `shows_texts` it quotes nothing of the data but labels."""
        one = self.example
        quoted = f": {self.quoted[:MAX_QUOTED]!r}" if self.quoted and shows_texts else ""
        return {
            "exclude": YES if self.exclude else NO,
            "kind": self.kind,
            "score": round(self.score, 4),
            "file": one.file,
            "row": one.row,
            "line": one.line,
            "label": "" if one.gold is None else str(one.gold),
            "suggested": self.suggested,
            "message": self.message + quoted,
            "text": " | ".join(one.texts)[:MAX_TEXT] if shows_texts else "",
            "key": text_key(one.texts),
        }


def text_key(texts: Sequence[str]) -> str:
    """Eight letters that tell whether a row still holds the same texts."""
    return hashlib.blake2b("\x1f".join(texts).encode(), digest_size=4).hexdigest()


def read_exclusions(path: str) -> dict[tuple[str, int], tuple[str, int]]:
    """(file's name, row) -> (key of its texts, line of the list) of all rows that are to be left out.

    Lines whose column `exclude` is not `yes` stay; a list without that column excludes all its lines.

    Raises:
        UserError: no such file, or not a list with the columns `file` and `row`.
    """
    place = Path(path).expanduser()
    hint = "Make one with: lightune check DATA --deep"
    try:
        with place.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f"--data.exclude: there is no column {missing[0]!r}", file=path, hint=hint)
            found = {}
            for row in reader:
                if (row.get("exclude") or YES).strip().lower() != YES:
                    continue
                if not (row["row"] or "").strip().isdigit():
                    problem = f"--data.exclude: the row {row['row']!r} is not a number"
                    raise UserError(problem, file=path, line=reader.line_num, hint="Rows count from 0.")
                key = (Path(row["file"]).name, int(row["row"]))
                found[key] = (row.get("key") or "", reader.line_num)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problem = f"--data.exclude: the list cannot be read ({error})"
        raise UserError(problem, file=path, hint=hint) from None
    return found


def positions_to_exclude(path: str, examples: Sequence[Example]) -> set[int]:
    """Positions in `examples` of the rows that the list names.

    Raises:
        UserError: a row of the list holds another text now: the list was made of other data.
    """
    listed = read_exclusions(path)
    found = set()
    for position, one in enumerate(examples):
        key, line = listed.get((Path(one.file).name, one.row), (None, 0))
        if key is None:
            continue
        if key and key != text_key(one.texts):
            problem = f"row {one.row} of {one.file} holds another text than when this list was made"
            hint = "Make the list again with: lightune check DATA --deep"
            raise UserError(problem, file=path, line=line, hint=hint)
        found.add(position)
    return found
