"""The run folder: whole or not at all. What it holds, writing it, and opening it again."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.paths import replace_folder
from lightune.core.settings import to_toml

STATE_FILE = "lightune.json"
CHECKPOINT = "checkpoint.safetensors"
CONTENDER = "race-"  # how the folders of a race in an unfinished run are called
FORMAT = 1


@dataclass
class RunState:
    """What is needed to open a run again, kept in `lightune.json`.

    Attributes:
        task, method, head: their names; task_state: labels and scale.
        method_settings: as resolved.
        identifier, digest: the backbone's address and what its bytes hash to.
        limits: how texts were cut; text, label: column names.
    """

    task: str
    task_state: dict[str, Any]
    method: str
    method_settings: dict[str, Any]
    head: str
    identifier: str
    digest: str
    limits: dict[str, Any]
    text: list[str]
    label: str
    model: str = ""
    language: str = ""
    version: str = ""
    format: int = FORMAT
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """What the person says of a folder: where its backbone is, what its outputs are called."""

    model: str | None = None
    labels: tuple[str, ...] | None = None


def next_output(data: str, method: str, parent: Path = Path("runs")) -> Path:
    """`runs/DATA-METHOD-N` with the first N that is free."""
    stem = re.sub(r"[^\w.-]+", "-", Path(data).stem or Path(data).name).strip("-.") or "data"
    number = 1
    while (path := parent / f"{stem}-{method}-{number}").exists() or work_folder(path).exists():
        number += 1
    return path


def work_folder(output: Path) -> Path:
    """Where a run is while it is not finished: beside it, under a hidden name."""
    return output.with_name(f".{output.name}.partial")


def find_partial(parent: Path, fingerprint: str) -> Path | None:
    """The unfinished run in `parent` that was started with the same command, the newest one."""
    found = []
    for folder in parent.glob(".*.partial") if parent.exists() else []:
        file = folder / "request.json"
        try:
            if json.loads(file.read_text())["fingerprint"] == fingerprint:
                found.append(folder)
        except (OSError, ValueError, KeyError):
            continue
    return max(found, key=lambda folder: folder.stat().st_mtime, default=None)


def require_writable(folder: Path) -> None:
    """Check that `folder` is, or can be made, a folder to write in, without making it.

    Raises:
        UserError: a file stands in the way, or there is no permission.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    hint = "Choose another place with --output."
    if not place.is_dir():
        raise UserError(f"the run cannot be written below {place}, which is a file", file=folder, hint=hint)
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"there is no permission to write in {place}", file=folder, hint=hint)


def require_free_output(output: Path, *, overwrite: bool) -> None:
    """Raise `UserError` where a run cannot be written to `output`, or something would be lost by it."""
    require_writable(output.parent)
    if output.exists() and not output.is_dir():
        raise UserError("this is a file, and a run is a folder", file=output, hint="Choose another --output.")
    if output.exists() and not overwrite and any(output.iterdir()):
        raise UserError(
            "the output folder exists already",
            file=output,
            hint="Choose another --output, or replace it with --overwrite.",
        )


def open_work(work: Path, fingerprint: str, data: str, *, is_resumed: bool) -> None:
    """Make the folder to work in; with --resume the unfinished one stays, else it is made new.

    Raises:
        UserError: the place cannot be written to.
    """
    file = work / "request.json"
    if is_resumed and file.exists():
        return
    try:
        if work.exists():
            shutil.rmtree(work)
        work.mkdir(parents=True)
        file.write_text(json.dumps({"fingerprint": fingerprint, "data": data}))
    except OSError as error:
        raise UserError(
            f"the run's folder cannot be made here: {error.strerror or error}",
            file=work,
            hint="Free some room on the disk, or choose another place with --output.",
        ) from None


def write_state(folder: Path, state: RunState, settings: dict[str, Any], metrics: dict[str, Any]) -> None:
    """labels.json, lightune.json, run.toml and metrics.json, when the weights are there already."""
    from lightune.runs.parts import weight_digests

    weights = sorted(file.name for file in folder.glob("[!.]*.safetensors") if file.name != CHECKPOINT)
    state.extra["weights"] = weights
    state.extra["weight_digests"] = weight_digests(folder, weights)
    labels = {str(number): name for number, name in enumerate(state.task_state["labels"])}
    _write_json(folder / "labels.json", labels)
    _write_json(folder / STATE_FILE, vars(state))
    _write_json(folder / "metrics.json", metrics)
    (folder / "run.toml").write_text(to_toml(settings), encoding="utf-8")


def finish(work: Path, output: Path, *, replace: bool) -> None:
    """Take away what only an unfinished run needs and give the folder its name."""
    for name in (CHECKPOINT, "request.json", "data.digest"):
        (work / name).unlink(missing_ok=True)
    for folder in work.glob(f"{CONTENDER}*"):
        shutil.rmtree(folder)
    if output.exists() and (replace or not any(output.iterdir())):
        shutil.rmtree(output)
    replace_folder(work, output)


def read_state(folder: Path, told: Told | None = None) -> RunState:
    """The state of a finished run, or of an adapter that plain peft wrote.

    Raises:
        UserError: no run, an unfinished one, or one of a newer lightune.
    """
    file, told = folder / STATE_FILE, told or Told()
    if not file.exists():
        if not (folder / "adapter_config.json").is_file() or folder.name.endswith(".partial"):
            raise _no_run(folder)
        from lightune.runs.foreign import state_of

        return state_of(folder, told)
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        if "language_model" in known:
            raise UserError(
                "this run is a language model, not a model of a task",
                file=folder,
                hint="Use it with: lightune score, lightune generate or lightune evaluate.",
            )
        state = RunState(**known)
        names = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    except (ValueError, TypeError, OSError) as error:
        raise UserError(
            f"the run's description cannot be read: {error}", file=file, hint="Copy the folder again, whole."
        ) from None
    if state.format > FORMAT:
        raise UserError(
            f"this run was made by a newer lightune ({state.version})",
            file=folder,
            hint="Run: pip install --upgrade lightune",
        )
    labels = [names[str(number)] for number in range(len(names))]
    if labels != list(state.task_state["labels"]):
        raise UserError(
            f"labels.json says {labels}, but the run was trained with {state.task_state['labels']}",
            file=folder / "labels.json",
            hint="The order of labels is part of the model: put the file back as it was.",
        )
    if told.labels is not None and list(told.labels) != labels:
        problem = f"--labels says {', '.join(told.labels)}, but the run was trained with {', '.join(labels)}"
        raise UserError(problem, file=folder, hint="Leave --labels out: a run knows its own.")
    return state


def _no_run(folder: Path) -> UserError:
    folder = folder.resolve() if not folder.name.strip(".") else folder  # `.` and `..` have no name
    if work_folder(folder).exists() or folder.name.endswith(".partial"):
        return UserError(
            "this run is not finished",
            file=folder,
            hint="Give the same `lightune train` command again with --resume.",
        )
    if not folder.exists():
        near = sorted(path.name for path in folder.parent.glob("*") if (path / STATE_FILE).exists())
        hint = (
            f"Runs in {folder.parent}: {', '.join(near[-5:])}."
            if near
            else "Make one with: lightune train DATA"
        )
        return UserError("there is no such run", file=folder, hint=hint)
    return UserError(
        "this is not a run folder of lightune (no lightune.json in it), nor an adapter of peft",
        file=folder,
        hint="Give the folder that `lightune train` printed.",
    )


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
