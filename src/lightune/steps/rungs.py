"""The names of the ladder: which rungs there are for a task, and which were asked for; loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lightune import history, methods
from lightune.core import plugins
from lightune.core.errors import UserError, nearest
from lightune.request import Request
from lightune.steps.baselines import baselines_for
from lightune.tasks.base import Task

METHODS = ("head", "side", "lora", "full")  # by cost; each trains more of the network than the one before

TRAIN_ONLY = {"method": "auto", "head": "auto", "memory": None, "folds": 0, "resume": False}


@dataclass(frozen=True)
class Wanted:
    """What `compare` is told besides a request: the rungs in their order, the sizes of the curve."""

    rungs: tuple[str, ...]
    sizes: tuple[int, ...] = ()


def require_comparable(request: Request, rungs: Sequence[str]) -> None:
    """Check what can be checked without the data.

    Raises:
        UserError: settings of one method, or a flag that only `train` has; a rung that no task has.
    """
    for flag, usual in TRAIN_ONLY.items():
        if getattr(request, flag) != usual:
            hint = "Choose what is compared with rungs=[...] (--rungs)."
            raise UserError(f"{flag} belongs to train, and compare runs several methods", hint=hint)
    if request.groups.get("method"):
        name = next(iter(request.groups["method"])).replace("_", "-")
        hint = "All climb with their defaults; train one by itself with: lightune train DATA --method NAME"
        raise UserError(f"--method.{name} belongs to one method, and compare runs several", hint=hint)
    known = [*plugins.names(history), *plugins.names(methods)]
    for name in rungs:
        if name.replace("-", "_") not in known:
            raise UserError(f"there is no rung {name!r}", hint=nearest(name, known))


def choose_rungs(asked: Sequence[str], task: Task) -> tuple[str, ...]:
    """The rungs in the order of the ladder: earlier models by cost, then methods.

    Raises:
        UserError: a task without a ladder; a rung that does not know the task.
    """
    if task.kind == "text":
        hint = "Compare two runs that write with: lightune evaluate RUN_A RUN_B DATA"
        raise UserError(f"there is no ladder for the task {task.name}, which writes texts", hint=hint)
    earlier = [one.name for one in baselines_for(task.kind)]
    if not asked:
        return (*earlier, *METHODS)
    wanted = {name.replace("-", "_") for name in asked}
    others = [name for name in plugins.names(methods) if name not in METHODS]
    order = [*earlier, *METHODS, *others]
    for name in wanted - set(order):
        raise UserError(f"the rung {name} does not know the task {task.name}", hint=nearest(name, order))
    return tuple(name for name in order if name in wanted)
