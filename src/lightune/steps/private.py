"""Private training, joined: what is not safe is refused, the noise is planned, the run is checked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import nn

from lightune.core.errors import UserError
from lightune.engine.loop import Descent, Work
from lightune.engine.optimizers import KINDS
from lightune.methods.base import Method
from lightune.request import Request
from lightune.steps.gather import Gathered
from lightune.steps.learn import TOKENS_OF_LIGHT, work_of
from lightune.steps.prepare import Prepared
from lightune.steps.reading import Pace, make_forward
from lightune.tasks.base import Task

if TYPE_CHECKING:
    from lightune.engine.checkpoint import Progress
    from lightune.privacy.descent import PrivateDescent

CLIP = 1.0


def go_private(request: Request, prepared: Prepared, gathered: Gathered, descent: Descent) -> None:
    """Make `prepared` train privately, where that was asked for and is possible."""
    asked = request.privacy
    if asked.epsilon is None:
        return
    from lightune.privacy.budget import plan_budget
    from lightune.privacy.descent import PrivateDescent

    num_rows = len(gathered.train)
    budget = plan_budget(
        asked.epsilon,
        asked.delta or 1 / num_rows,
        asked.clip or CLIP,
        asked.accountant,
        num_rows=num_rows,
        batch_rows=min(descent.batch_rows, num_rows),
        steps=descent.num_steps(num_rows),
    )
    why = f"DP-SGD over {budget.steps} steps, each row in one of {1 / budget.rate:.0f} of them on average"
    gathered.decisions.add("privacy", budget.describe(), why)
    light = _is_light(prepared)
    tokens = max(descent.batch_tokens, TOKENS_OF_LIGHT) if light else descent.batch_tokens
    exact = exact_work(prepared, gathered)
    prepared.private = PrivateDescent(budget, exact, _apart(prepared) if light else None, tokens)


def require_possible(request: Request, prepared: Prepared, gathered: Gathered) -> None:
    """Raise `UserError` where privacy was asked for and task, method or model are not safe under it."""
    if request.privacy.is_private:
        name = request.train.optimizer
        if not KINDS[name].goes_back:
            hint = "Leave --train.optimizer out of a private run."
            raise UserError(f"{name} has no gradients that noise could be added to", hint=hint)
        require_safe(gathered.task, prepared.method, prepared.backbone.model)


def require_safe(task: Task, method: Method, model: nn.Module) -> None:
    """Raise `UserError` for what would give away more than the promise says."""
    hint = "Leave --privacy.epsilon out, or see docs/privacy.md for what is safe."
    if reason := task.unsafe_privately:
        raise UserError(f"{task.name} cannot be trained privately: {reason}", hint=hint)
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise UserError(
                f"this model cannot be trained privately: {name} is a batch normalisation, which mixes rows",
                hint=hint,
            )
    if method.unsafe_privately:
        raise UserError(f"{method.name} cannot be trained privately: {method.unsafe_privately}", hint=hint)


def exact_work(prepared: Prepared, gathered: Gathered) -> Work:
    """The work in float32, to hold ways of getting the gradients against each other."""
    stored = prepared.filled.read if prepared.filled else None
    float32 = Pace("float32", None)
    forward = make_forward(prepared.method, prepared.backbone, prepared.taps, stored, float32)
    return replace(work_of(prepared, gathered.task, gathered.train), forward=forward)


def _is_light(prepared: Prepared) -> bool:
    """Whether a small network of lightune's own trains, and nothing inside the pre-trained one."""
    inside = {id(one) for one in prepared.backbone.base.parameters()}
    return not any(id(one) in inside for one in prepared.backbone.model.parameters() if one.requires_grad)


def _apart(prepared: Prepared) -> Any:
    from lightune.privacy.gradients import Apart

    backbone, method, filled, taps = prepared.backbone, prepared.method, prepared.filled, prepared.taps

    def read(batch: Any) -> Any:
        if filled is not None:
            return filled.read(batch)
        return {tap: one.float() for tap, one in backbone.below(batch, taps).items()}

    return Apart(read, lambda states, batch: method.logits(backbone, states, batch))


def finish_private(private: PrivateDescent | None, progress: Progress, num_trained: int) -> dict[str, Any]:
    """The record of a private run, after the check that it was one; {} for others.

    The losses on training rows have no noise: they go no further.
    """
    if private is None:
        return {}
    record = private.finish(progress.step)
    if progress.epoch:
        record["steps_taken"] = progress.step
    record["rows"] = num_trained
    progress.step_losses = []
    for row in progress.epochs:
        row.pop("train_loss", None)
    return record
