"""The one error a person sees: what is wrong, where, and what to do next.

`UserError` is a mistake that the person can mend (exit code 2, no traceback). Anything else that
escapes is a defect of lightune (exit code 1).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """A mistake in the data, the command or the environment that the person can mend.

    Args:
        problem: what is wrong with the value seen, as one sentence.
        hint: what to do next.
        file, line, column: where; `line` counts from 1, `column` is a column's name or number.
    """

    def __init__(
        self,
        problem: str,
        *,
        hint: str = "",
        file: str | Path | None = None,
        line: int | None = None,
        column: str | int | None = None,
    ) -> None:
        self.problem = problem
        self.hint = hint
        self.file = str(file) if file is not None else None
        self.line = line
        self.column = column
        super().__init__(self.__str__())

    @property
    def where(self) -> str:
        """`file:line, column 'x'`, as much of it as is known."""
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}"
        if self.column is not None:
            place += f"{', ' if place else ''}column {self.column!r}"
        return place

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f"\n  {self.hint}" if self.hint else ""
        return f"{place}{self.problem}{hint}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint naming the known name nearest to `name`, then all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    return f"{guess}Known: {', '.join(names)}."


def require_extra(package: str, extra: str) -> None:
    """Raise the error of `missing_extra` where a library is not installed; nothing is imported."""
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise missing_extra(package, extra)


def missing_extra(package: str, extra: str) -> UserError:
    """The error for an optional library that is not installed, with the exact command."""
    return UserError(
        f"this needs the package {package!r}, which is not installed",
        hint=f"Run: pip install 'lightune[{extra}]'",
    )
