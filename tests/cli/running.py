"""Running the real program: in this process for speed, or as a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on stdout; anything else there is an error."""
        return json.loads(self.out)


def lightune(*words: object, folder: Path | None = None) -> Ended:
    """Run a command line in this process, in `folder`; a traceback would come out as an exception."""
    from lightune.cli.app import run

    out, err = io.StringIO(), io.StringIO()
    with chdir(folder or Path.cwd()), redirect_stdout(out), redirect_stderr(err):
        code = run([str(word) for word in words])
    return Ended(code, out.getvalue(), err.getvalue())


def command(*words: object, python: tuple[str, ...] = ()) -> list[str]:
    """The words that start lightune as a process of its own."""
    return [sys.executable, *python, "-m", "lightune", *map(str, words)]


def lightune_process(*words: object, folder: Path, text: str = "") -> Ended:
    """Run a command line as a process of its own, in `folder`, with `text` on its stdin."""
    done = subprocess.run(
        command(*words),
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        check=False,
        env=dict(os.environ, PYTHONIOENCODING="utf-8"),
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def plain(text: str) -> str:
    """Text without line breaks and repeated blanks: tables and notes wrap at the terminal's width."""
    return " ".join(text.split())


def paths_in(folder: Path) -> set[str]:
    """Every file and folder below `folder`, hidden ones too."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
