"""Plain text, one text a line; the only column is `text`. Blank lines are passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from lightune.core.rows import Row
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings
from lightune.data.sniff import format_of
from lightune.data.text_lines import read_lines


class Lines(Format):
    """`.txt`: unlabelled text."""

    suffixes = (".txt", ".text")

    def recognises(self, path: Path) -> bool:
        """By its ending, unless the file has a format of its own."""
        return super().recognises(path) and not format_of(path)

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """One row a line."""
        yield from self.read_stream(read_lines(path, settings.encoding), str(path))

    def read_stream(self, lines: Iterable[str], file: str) -> Iterator[Row]:
        """One row a line, from lines already decoded."""
        self.columns = ["text"]
        index = 0
        for number, line in enumerate(lines, start=1):
            text = line.rstrip("\r\n")
            if text.strip():
                yield Row(index, {"text": text}, file, number)
                index += 1
