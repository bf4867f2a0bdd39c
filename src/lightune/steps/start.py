"""`lightune train --from`: going on from the weights of a finished run, or of an adapter of plain peft.

The tuner, its settings, the head, the model and the labels are those of the start. What cannot go together is
refused with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lightune.backbones.source import Source
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Decisions, Example
from lightune.methods.base import Method
from lightune.request import HEADS, Request
from lightune.runs import parts
from lightune.runs.folder import RunState, Told, read_state
from lightune.tasks.base import Task


@dataclass(frozen=True)
class Start:
    """What training goes on from."""

    folder: Path
    state: RunState


def open_start(request: Request) -> tuple[Request, Start | None]:
    """The request with what the start settles, and the start; None without --from.

    Raises:
        UserError: no run or adapter there, or the request asks for something else than what it holds.
    """
    if request.start is None:
        if request.labels is not None:
            raise UserError("--labels does nothing without --from", hint="Labels are taken from the data.")
        return request, None
    if request.privacy.is_private:
        problem = "a private run starts anew: what --from has learnt is not in its figures"
        raise UserError(problem, hint="Leave --from out.")
    folder = Path(request.start)
    told = Told(None if request.model == "auto" else request.model, request.labels)
    state = read_state(folder, told)
    _require_same(request, state, folder)
    head = state.head if state.head in HEADS else "auto"
    groups = {**request.groups, "method": state.method_settings}
    known = {"task": state.task, "method": state.method, "head": head}
    return replace(request, **known, groups=groups), Start(folder, state)  # type: ignore[arg-type]


def _require_same(request: Request, state: RunState, folder: Path) -> None:
    """Raise `UserError` where another task, method or head is asked for than what the start has."""
    for name, asked, own in (
        ("task", request.task, state.task),
        ("method", request.method.replace("-", "_"), state.method),
        ("head", request.head, state.head),
    ):
        if asked not in ("auto", own):
            hint = f"Leave --{name} out, or start anew without --from."
            problem = f"--{name} {asked} cannot go on from a run of {name} {own}"
            raise UserError(problem, file=folder, hint=hint)
    if request.groups.get("method"):
        first = next(iter(request.groups["method"])).replace("_", "-")
        hint = f"Leave --method.{first} out: the adapter keeps the settings that it was made with."
        raise UserError("--method settings cannot be changed on the way", file=folder, hint=hint)


def columns_of(start: Start, asked: tuple[str, ...] | None, known: Sequence[str]) -> tuple[str, ...] | None:
    """The text columns asked for, else those of the start where the data has them."""
    own = tuple(start.state.text)
    return own if asked is None and own and all(name in known for name in own) else asked


def adopt(start: Start, task: Task, examples: Sequence[Example], decisions: Decisions) -> None:
    """Give a task that has learnt from `examples` the labels and the scale of the start.

    Raises:
        UserError: the data has labels that the head does not.
    """
    own, new = start.state.task_state["labels"], list(task.labels)
    if unknown := [label for label in new if label not in own]:
        file = examples[0].file if examples else None
        hint = f"The head's labels are {', '.join(own[:20])}. "
        hint += (
            "Say what its outputs are called with --labels."
            if start.state.extra.get("is_foreign")
            else "Change the data's to these, or start anew without --from."
        )
        raise UserError(f"the data has the label {unknown[0]!r}, which the head lacks", file=file, hint=hint)
    task.adopt(start.state.task_state)
    decisions.add("start", str(start.folder), "its weights, settings and labels are taken up")


def backbone_of(start: Start, show: Show, model: str, decisions: Decisions) -> Source:
    """The backbone of the start."""
    source = parts.source_of(start.folder, start.state, show, None if model == "auto" else model)
    decisions.add("model", source.name, "what --from was trained on")
    return source


def method_of(start: Start, decisions: Decisions) -> Method:
    """The method that the start was trained with."""
    method = parts.method_of(start.state)
    settings = ", ".join(f"{name}={value}" for name, value in method.settings.model_dump().items())
    decisions.add("method", method.name, f"as --from has it: {settings or 'no settings'}")
    decisions.add("head", method.head, "as --from has it")
    return method
