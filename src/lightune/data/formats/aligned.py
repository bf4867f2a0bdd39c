"""Parallel text as two files: line n of the one is the translation of line n of the other (Moses, WMT).

Named as `corpus.en,corpus.fr`, or a folder with `train.en` and `train.fr` (`valid.*` and `test.*` too).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits, Table
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings
from lightune.data.text_lines import read_lines

PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?")
SIDES = {"src": "source", "source": "source", "tgt": "target", "target": "target"}
NO_LANGUAGES = {"csv", "tsv", "txt", "po", "tmx", "md", "xml", "gz", "zip", "log", "toml", "py"}


class Aligned(Format):
    """Two columns named by the files' endings, the first one the source."""

    def recognises(self, path: Path) -> bool:
        """Two names with a comma between them, or a folder with one pair of `train` files."""
        return _named(path) is not None or (path.is_dir() and "train" in _parts(path))

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The pairs of lines; those with an empty side are left out and counted.

        Raises:
            UserError: the files have not as many lines as each other.
        """
        pair = _named(path) or _parts(path)["train"]
        yield from self._read_pair(*pair, settings)

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All pairs, for translating from the first language into the second."""
        named = _named(path)
        parts = {"train": named} if named else _parts(path)
        tables: dict[str, Table] = {}
        for part, pair in parts.items():
            tables[part] = self.table(list(self._read_pair(*pair, settings)), str(pair[0]))
        first, second = self.columns
        if tables["train"].columns != self.columns:
            hint = "Each part needs the same two languages."
            raise UserError("the parts are in different languages", file=path, hint=hint)
        return Splits(
            train=tables["train"],
            validation=tables.get("validation"),
            test=tables.get("test"),
            text=(first,),
            label=second,
            task="translate",
        )

    def _read_pair(self, one: Path, other: Path, settings: DataSettings) -> Iterator[Row]:
        first, second = self.columns = _columns(one, other)
        index = 0
        lines = itertools.zip_longest(*(read_lines(file, settings.encoding) for file in (one, other)))
        for number, (left, right) in enumerate(lines, start=1):
            if left is None or right is None:
                raise _uneven(one, other, number, settings.encoding)
            source, target = left.rstrip("\r\n"), right.rstrip("\r\n")
            if source.strip() and target.strip():
                yield Row(index, {first: source, second: target}, str(one), number)
                index += 1
            elif source.strip() or target.strip():
                empty = second if source.strip() else first
                self.skip(f"the line is empty in {empty!r}", str(one), number)


def _named(path: Path) -> tuple[Path, Path] | None:
    """The two files of `one,other`, the second beside the first unless it has a path of its own."""
    left, comma, right = str(path).partition(",")
    if not comma or not right.strip() or path.exists():
        return None
    one, other = (Path(name.strip()).expanduser() for name in (left, right))
    return (one, other) if one.is_file() and other.is_file() else None


def _parts(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Part -> its two files, in the order of their languages' names, source before target."""
    files = sorted(item for item in folder.iterdir() if item.is_file() and _is_side(item.suffix[1:]))
    held = {part: [file for file in files if file.stem.lower() in names] for part, names in PARTS.items()}
    return {part: (two[0], two[1]) for part, two in held.items() if len(two) == 2}


def _is_side(ending: str) -> bool:
    return ending in SIDES or (ending not in NO_LANGUAGES and LANGUAGE.fullmatch(ending) is not None)


def _columns(one: Path, other: Path) -> list[str]:
    """The endings of the files as names; source and target where they say nothing."""
    names = [SIDES.get(file.suffix[1:], file.suffix[1:]) for file in (one, other)]
    if names[0] == names[1] or not all(_is_side(name) for name in names):
        return ["source", "target"]
    return names


def _uneven(one: Path, other: Path, number: int, encoding: str) -> UserError:
    """The error that names both counts."""
    counts = [sum(1 for _ in read_lines(file, encoding)) for file in (one, other)]
    problem = f"{one.name} has {counts[0]} lines and {other.name} has {counts[1]}, so they are not aligned"
    hint = "Line n of the one must be the translation of line n of the other; look where they part."
    return UserError(problem, file=one, line=number, hint=hint)
