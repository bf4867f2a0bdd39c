"""The contract of a data format: which paths it recognises, and their rows one after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from lightune.core.rows import Decisions, Problem, Row, Splits, Table
from lightune.data.settings import DataSettings

MAX_LISTED = 20  # skipped rows that are listed one by one; the rest is counted


class Format(ABC):
    """A way in which labelled text is stored. A new object reads each file.

    Attributes:
        suffixes: the file endings it reads.
        columns: the column names, known once the first row has been read.
        problems: rows left out while reading.
        decisions: what it found out about the file, with reasons.
        fills: the endings of files that `filled` writes.
        fills_from: the column of answers that it needs.
    """

    suffixes: tuple[str, ...] = ()
    fills: tuple[str, ...] = ()
    fills_from = ""

    def __init__(self) -> None:
        self.columns: list[str] = []
        self.problems: list[Problem] = []
        self.decisions = Decisions()
        self.num_skipped = 0

    def recognises(self, path: Path) -> bool:
        """Whether this format reads `path`; by its suffix, or for folders by what is in it."""
        return path.is_file() and path.suffix.lower() in self.suffixes

    @abstractmethod
    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The rows in file order, one pass, without holding the file in memory.

        Raises:
            UserError: what is wrong in the file, with its line.
        """

    def questions(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The rows that a run is asked: all, unless the format itself tells those that wait for an answer."""
        return self.read(path, settings)

    def filled(self, path: Path, settings: DataSettings, rows: Sequence[Row], output: Path) -> str:
        """The answers as programs of this format read them, or the file with the answers in it.

        Args:
            path: the file asked about.
            settings: how it is read.
            rows: all `questions`, in order, with the columns of their answers.
            output: the file to be written, whose ending may decide the form.
        """
        raise NotImplementedError(f"{type(self).__name__} writes no files")

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All rows, as training data unless the format knows of parts kept apart."""
        return Splits(train=self.table(list(self.read(path, settings)), str(path)))

    def table(self, rows: list[Row], file: str) -> Table:
        """The rows read so far as a table, with the problems and decisions that came up; resets both."""
        if self.num_skipped > len(self.problems):
            hidden = self.num_skipped - len(self.problems)
            self.problems.append(Problem("skipped_row", f"{hidden} more rows were left out likewise", file))
        table = Table(
            rows=rows,
            columns=list(self.columns),
            file=file,
            format=type(self).__module__.rsplit(".", 1)[-1],
            problems=tuple(self.problems),
            decisions=tuple(self.decisions.taken),
        )
        self.problems, self.decisions, self.num_skipped = [], Decisions(), 0
        return table

    def skip(self, message: str, file: str, line: int | None) -> None:
        """Count and report a row that is left out."""
        self.num_skipped += 1
        if len(self.problems) < MAX_LISTED:
            self.problems.append(Problem("skipped_row", message, file, line))
