"""What a person sees while it runs: bars with time left, tables, one-line notes; all of it on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.progress import Progress
    from rich.table import Table

T = TypeVar("T")


@dataclass
class Show:
    """Where to show things. `is_quiet` drops bars, tables and notes; warnings are always shown."""

    is_quiet: bool = False
    shared: Console | None = None  # while a live table stands there: what is shown must know of it

    @property
    def console(self) -> Console:
        """The rich console on stderr."""
        from rich.console import Console

        return self.shared or Console(stderr=True, highlight=False, soft_wrap=False)

    def note(self, text: str) -> None:
        """One line of information or advice."""
        if not self.is_quiet:
            self.console.print(text, markup=False)

    def warn(self, text: str) -> None:
        """One line that the person should not miss."""
        from rich.text import Text

        self.console.print(Text(f"note: {text}", style="yellow"))

    def table(self, title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table that fits the terminal."""
        if not self.is_quiet:
            self.console.print(_table(title, header, rows))

    @contextmanager
    def live(self, title: str) -> Iterator[LiveTable]:
        """A table that changes in its place while things run; bars appear below it, notes above."""
        if self.is_quiet:
            yield LiveTable(self, title, None)
            return
        from rich.live import Live

        console = self.console
        with Live(console=console, vertical_overflow="visible") as live:  # bars below rely on its refreshing
            self.shared = console
            try:
                yield LiveTable(self, title, live)
            finally:
                self.shared = None
        if not console.is_terminal:
            console.print()

    @contextmanager
    def bar(self, title: str, total: float) -> Iterator[Bar]:
        """A progress bar with time left: `with show.bar("reading", n) as bar: bar.advance()`."""
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console, disable=self.is_quiet) as progress:
            yield Bar(progress, progress.add_task(title, total=total, note=""))


@dataclass
class Bar:
    """One running progress bar."""

    progress: Progress
    task: object

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Move on by `amount`; `note` is shown at the end of the bar."""
        if note:
            self.progress.update(self.task, advance=amount, note=note)  # type: ignore[arg-type]
        else:
            self.progress.update(self.task, advance=amount)  # type: ignore[arg-type]

    def move_to(self, done: float) -> None:
        """Set how much is done."""
        self.progress.update(self.task, completed=done)  # type: ignore[arg-type]


@dataclass
class LiveTable:
    """A table on the screen; elsewhere (a file, a pipe) the finished one is written at the end."""

    show: Show
    title: str
    live: Live | None

    def set(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Show this in place of what was there."""
        if self.live is not None:
            self.live.update(_table(self.title, header, rows), refresh=self.show.console.is_terminal)

    def say(self, text: str) -> None:
        """One line, where a changing table cannot be seen."""
        if self.live is not None and not self.show.console.is_terminal:
            self.show.note(text)


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold")
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table
