"""The baselines in a process of their own, while this one loads libraries and the model.

Imports and loading keep one core busy, since Python does one thing at a time: the others stand idle for as
long as TF-IDF takes for some thousand rows. What is timed, read or trained afterwards has the machine for
itself.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from lightune.core.machine import num_cores
from lightune.core.progress import Show
from lightune.steps.baselines import Lesson, Rung, lesson_of, run_baselines, tested_rows

if TYPE_CHECKING:
    from lightune.request import Request
    from lightune.steps.gather import Gathered

LIBRARIES = ("transformers", "sklearn")  # once they are loaded, there is no time to be won
MOST_ROWS = 20_000  # more outlast loading, and had better wait until the plan has said yes


class Beside:
    """The baselines' answers on their way from another process.

    Args:
        lesson: None: nothing runs, the time is only counted so, as a plan does.
    """

    def __init__(self, lesson: Lesson | None) -> None:
        self._said: Future[tuple[bytes, bytes]] | None = None
        if lesson is None:
            return
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _command()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        except OSError:  # no interpreter by that name: then here
            return
        atexit.register(process.kill)
        self._said = Future()
        # Python waits for a thread at its end before it kills anything, unless it is a daemon.
        threading.Thread(target=_ask, args=(process, pickle.dumps(lesson), self._said), daemon=True).start()

    def wait(self) -> None:
        """Until the answers are there."""
        if self._said is not None:
            self._said.exception()

    def answers(self, show: Show) -> list[Rung] | None:
        """What the baselines said; None where the process did not come to its end."""
        if self._said is None:
            return None
        with show.bar("baselines", 1) as bar:
            self.wait()
            bar.advance()
        try:
            found: list[Rung] = pickle.loads(self._said.result()[0])
        except (OSError, ValueError, EOFError, pickle.UnpicklingError):
            return None
        return found


def _ask(process: subprocess.Popen[bytes], lesson: bytes, said: Future[tuple[bytes, bytes]]) -> None:
    try:
        said.set_result(process.communicate(lesson))
    except (OSError, ValueError) as error:
        said.set_exception(error)


def can_start(request: Request) -> bool:
    """Whether there is a core to spare, and memory that nobody has counted."""
    is_python = bool(sys.executable) and not getattr(sys, "frozen", False)  # a frozen program starts itself
    return num_cores() > 1 and request.memory is None and is_python


def begin(request: Request, gathered: Gathered, *, is_plan: bool = False) -> Beside | None:
    """Let the baselines begin; None where they had better learn in this process, at their time.

    Args:
        is_plan: only say whether a run would.
    """
    rows = tested_rows(gathered)
    is_soon = len(rows) > 0 and len(gathered.examples) <= MOST_ROWS
    if not (is_soon and can_start(request)) or any(name in sys.modules for name in LIBRARIES):
        return None
    return Beside(None if is_plan else lesson_of(gathered, rows))


def _command() -> str:
    """Python that works on the lesson with the packages that this process has."""
    return f"import sys; sys.path[:] = {sys.path!r}; from lightune.steps.beside import work; work()"


def work() -> None:
    """The other process: a lesson from stdin, answers to stdout."""
    lesson: Lesson = pickle.load(sys.stdin.buffer)
    answers = run_baselines(lesson, Show(is_quiet=True))
    sys.stdout.buffer.write(pickle.dumps(answers))
