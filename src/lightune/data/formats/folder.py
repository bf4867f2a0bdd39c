"""A folder of text files per class: `DIR/pos/*.txt`, or `DIR/train/pos` with `DIR/test/pos`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings
from lightune.data.text_lines import read_lines

PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
DATA_SUFFIXES = {".csv", ".tsv", ".json", ".jsonl", ".parquet"}  # these are the data, not the subfolders
UNLABELLED = "unsup"  # the IMDb folder keeps its unlabelled reviews there


class Folder(Format):
    """Folder names are the labels; each file is one text."""

    def recognises(self, path: Path) -> bool:
        """A folder whose subfolders hold text files, directly or below train and test."""
        if not path.is_dir() or any(item.suffix.lower() in DATA_SUFFIXES for item in path.iterdir()):
            return False
        places = [path, *self._parts(path).values()]
        return any(_texts(folder) for place in places for folder in _subfolders(place))

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """One row a file, classes and files in alphabetical order."""
        yield from self._read_classes(self._parts(path).get("train", path), settings)

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """The classes below `train`, `validation` and `test`, or all as training data."""
        parts = self._parts(path)
        if parts and "train" not in parts:
            raise UserError(
                f"no folder 'train' beside {', '.join(p.name for p in parts.values())}", file=path
            )
        places = parts or {"train": path}
        tables = {
            part: self.table(list(self._read_classes(place, settings)), str(place))
            for part, place in places.items()
        }
        return Splits(
            train=tables["train"],
            validation=tables.get("validation"),
            test=tables.get("test"),
            text=("text",),
            label="label",
        )

    def _parts(self, path: Path) -> dict[str, Path]:
        """The subfolders that are parts of the data rather than classes."""
        found = {
            part: path / name for part, names in PARTS.items() for name in names if _subfolders(path / name)
        }
        return found

    def _read_classes(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        self.columns = ["text", "label"]
        index = 0
        for folder in _subfolders(path):
            texts = _texts(folder)
            if folder.name == UNLABELLED:
                self.decisions.add("left out", folder, "the folder of unlabelled texts")
                continue
            if not texts:
                self.skip("there is no text file in this folder", str(folder), None)
            for file in texts:
                text = "".join(read_lines(file, settings.encoding)).rstrip("\r\n")
                yield Row(index, {"text": text, "label": folder.name}, str(file), 1)
                index += 1


def _subfolders(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return sorted(item for item in path.iterdir() if item.is_dir() and not item.name.startswith("."))


def _texts(folder: Path) -> list[Path]:
    """The text files in a folder: `.txt`, or a number as the name (20 newsgroups, mail archives)."""
    return sorted(
        item
        for item in folder.iterdir()
        if item.is_file()
        and not item.name.startswith(".")
        and (item.suffix.lower() in {".txt", ".text"} or item.name[0].isdigit())
        and item.suffix.lower() not in DATA_SUFFIXES
    )
