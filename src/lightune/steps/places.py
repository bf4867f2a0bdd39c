"""Where a run is written while it works, and where it ends: for `train` and `pretrain` alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.runs.folder import (
    find_partial,
    next_output,
    require_free_output,
    require_writable,
    work_folder,
)


class Asked(Protocol):
    """What a request says of places."""

    @property
    def data(self) -> str:
        """The data or corpus."""

    @property
    def output(self) -> str | None:
        """The folder asked for."""

    @property
    def resume(self) -> bool:
        """Whether to go on with an unfinished run."""

    @property
    def overwrite(self) -> bool:
        """Whether an existing output may be replaced."""

    def fingerprint(self) -> str:
        """The same for two requests that must give the same run."""


def check_output(request: Asked) -> Path | None:
    """The output folder asked for, once it is sure that it can be written and nothing is lost by it."""
    if request.output is None:
        require_writable(Path("runs"))
        return None
    output = Path(request.output).expanduser()
    output = output if output.name.strip(".") else output.resolve()  # `.` and `..` have no name of their own
    require_free_output(output, overwrite=request.overwrite)
    return output


def choose_work(request: Asked, output: Path | None, method: str, show: Show) -> tuple[Path, Path]:
    """(folder to work in, folder to end as): the unfinished one with --resume, else a new one; makes nothing.

    Raises:
        UserError: --resume, but what is unfinished there was another command.
    """
    fingerprint = request.fingerprint()
    if request.resume:
        work = work_folder(output) if output else find_partial(Path("runs"), fingerprint)
        if work is not None and (work / "request.json").exists():
            if json.loads((work / "request.json").read_text())["fingerprint"] != fingerprint:
                raise UserError(
                    "the unfinished run there was started with other settings or data",
                    file=work,
                    hint="Give the command as it was, or leave --resume out to start again.",
                )
            return work, output or work.with_name(work.name[1 : -len(".partial")])
        show.warn("there is no unfinished run of this command: it starts from the beginning")
    output = output or next_output(request.data, method)
    return work_folder(output), output
