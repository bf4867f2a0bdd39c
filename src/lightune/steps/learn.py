"""Step 3: train what lies above the cut, by a recipe whose every derived value is printed."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lightune.backbones.transformer import Transformer
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Example
from lightune.core.tokens import Ints
from lightune.engine import checkpoint as checkpoints
from lightune.engine.checkpoint import Progress
from lightune.engine.loop import Descent, Together, Work, fit
from lightune.engine.optimizers import KINDS
from lightune.engine.predict import READ_TOKENS, Reading, logits_of, settle
from lightune.methods.base import Method, Recipe
from lightune.request import Request
from lightune.steps.gather import Gathered
from lightune.steps.later import with_lower_part_frozen
from lightune.steps.prepare import Prepared
from lightune.steps.reading import make_forward
from lightune.tasks.base import Task

# LoRA on movie sentences (MiniLM, 2 cores): 1,024 train 8% faster than 2,048 in 190 MB less; 768 take
# another 45 MB less.
TOKENS_ON_CPU, TOKENS_ON_GPU = 768, 8192
LEARNT = 0.05  # a loss: the right answer has a probability of 95%
MANY_ROWS = 1000  # few rows are gone through often, and their answers must become surer than that
TOKENS_OF_LIGHT = 2048  # the side network, 4,000 movie sentences: 17% less time than in passes of 1,024


def resolve_descent(
    request: Request, prepared: Prepared, gathered: Gathered, num_rows: int | None = None
) -> Descent:
    """Fill in what the person left open, from the method's recipe for `num_rows` (None: all of training)."""
    num_rows = len(gathered.train) if num_rows is None else num_rows
    asked = request.train
    is_private = request.privacy.is_private
    method, kind = prepared.method, KINDS[asked.optimizer]
    _require_used(request, method, gathered.task)
    share = gathered.task.rate_share * kind.rate_share(num_trainable(prepared))
    recipe = method.private_recipe(num_rows) if is_private else method.recipe(num_rows)
    usual, of_head = (share * rate for rate in (recipe.learning_rate, recipe.head_learning_rate))
    known = {
        "epochs": asked.epochs or kind.more_epochs * recipe.epochs,
        "learning_rate": asked.learning_rate or usual,
        "head_learning_rate": asked.head_learning_rate or asked.learning_rate or of_head,
        "batch_rows": asked.batch_rows or recipe.batch_rows,
        "schedule": asked.schedule or recipe.schedule,
    }
    derived = [
        name for name in ("epochs", "learning_rate", "batch_rows", "schedule") if not getattr(asked, name)
    ]
    if derived:
        values = ", ".join(f"{name.replace('_', ' ')} {_told(known[name])}" for name in derived)
        gathered.decisions.add("recipe", values, recipe.reason)
    return Descent(
        **known,  # type: ignore[arg-type]
        batch_tokens=asked.batch_tokens or batch_tokens_of(prepared),
        optimizer=asked.optimizer,
        warmup=asked.warmup,
        weight_decay=asked.weight_decay,
        clip=0.0 if is_private else asked.clip,  # a private step clips row by row
        patience=_patience_of(request, recipe),
        seed=request.seed,
        skip_below=skip_below_of(request, prepared, gathered.task, num_rows),
        later_layers=request.speed.later_layers,
    )


def _told(value: Any) -> str:
    """A rate in few digits, anything else as it is."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _patience_of(request: Request, recipe: Recipe) -> int:
    """What was asked for; by itself none where noise is or little to save, more where steps are small."""
    asked = request.train
    if "patience" in asked.model_fields_set:
        return asked.patience
    return (
        0
        if request.privacy.is_private or not recipe.stops_early
        else asked.patience * KINDS[asked.optimizer].more_epochs
    )


def _require_used(request: Request, method: Method, task: Task) -> None:
    """Raise `UserError` for what saves on a backward pass where there is none, or where all rows need it."""
    if task.is_joint and request.speed.skip_below:
        problem = (
            f"--speed.skip-below leaves rows out, and {task.name} holds all of a step against each other"
        )
        raise UserError(problem, hint="Leave it out.")
    name = request.train.optimizer
    if KINDS[name].goes_back:
        return
    for flag, value in (
        ("--speed.skip-below", request.speed.skip_below),
        ("--method.checkpointing", getattr(method.settings, "checkpointing", False)),
    ):
        if value:
            raise UserError(f"{flag} has no effect: {name} never goes back", hint="Leave it out.")


def skip_below_of(request: Request, prepared: Prepared, task: Task, num_rows: int) -> float:
    """The loss under which a row is taken for learnt; 0 where there is little to save, or few rows.

    None can be left out where the rows of a step are held against each other.
    """
    if task.is_joint:
        return 0.0
    if request.speed.skip_below is not None:
        return request.speed.skip_below
    is_dear = prepared.cut < prepared.backbone.depth and not request.privacy.is_private
    is_dear = is_dear and KINDS[request.train.optimizer].goes_back  # it saves backward passes
    return LEARNT if is_dear and num_rows >= MANY_ROWS else 0.0


def batch_tokens_of(prepared: Prepared) -> int:
    """Padded tokens of a pass with gradients: few fill a processor's caches, many keep a GPU busy.

    Where all layers are frozen, what trains is small and wants larger passes; vectors too, since a step of
    several passes has to run them twice (`Together`). A person who wants layers computed again wants little
    memory, and gets a quarter.
    """
    backbone = prepared.backbone
    if backbone.device != "cpu":
        return TOKENS_ON_GPU
    if backbone.spec.is_vector or prepared.cut == backbone.depth:
        return TOKENS_OF_LIGHT
    return TOKENS_ON_CPU // 4 if prepared.method.is_recomputing else TOKENS_ON_CPU


def learn(
    prepared: Prepared,
    gathered: Gathered,
    descent: Descent,
    *,
    rows: Ints,
    held: Ints,
    folder: Path | None,
    show: Show,
) -> Progress:
    """Train on `rows`, choose the epoch by `held`; takes up the checkpoint in `folder` if there is one."""
    task, backbone = gathered.task, prepared.backbone
    prepared.thaw()
    prepared.num_trained = num_trainable(prepared)
    began, read_before = time.perf_counter(), prepared.seconds["activations"]
    by_epoch: list[np.ndarray] = []
    private = prepared.private

    def validate() -> dict[str, float]:
        logits = predict_logits(prepared, task, held)
        answered = answered_logits(prepared, gathered, held, logits)
        by_epoch.append(answered)
        metrics = task.metrics(answered, prepared.targets[held])
        return {
            **metrics,
            "validation_loss": task.mean_loss(logits, prepared.targets[held]),
            "score": metrics[task.best_by],
        }

    work = replace(
        work_of(prepared, task, rows),
        validate=validate if len(held) else None,
        ability=private.ability if private else None,
        choose=prepared.method.turns(backbone, descent.seed),
    )
    if private:
        work = replace(work, start_training=lambda: stand_still(backbone))
    if descent.later_layers is not None:
        work = with_lower_part_frozen(work, prepared, descent.later_layers, show)
    with show.bar(f"training ({prepared.method.name})", descent.num_steps(len(rows))) as bar:
        progress = fit(work, descent, folder=folder, bar=bar)
    backbone.model.eval()
    place = progress.best_epoch - 1 - (progress.epoch - len(by_epoch))  # a resumed run has the last only
    prepared.held_logits = by_epoch[place] if by_epoch and place >= 0 else None
    prepared.held_by_epoch = [] if descent.keeps_best else by_epoch
    read_later = prepared.seconds["activations"] - read_before
    prepared.seconds["train"] = time.perf_counter() - began - read_later
    _require_finite(progress, descent, folder)
    if progress.step < descent.num_steps(len(rows)):
        _say_stopped(progress, descent, task, show)
    return progress


def _require_finite(progress: Progress, descent: Descent, folder: Path | None) -> None:
    """Raise `UserError` where the loss has run away."""
    if np.isfinite(progress.step_losses[-1]):
        return
    if folder is not None:
        checkpoints.remove(folder)  # nothing there is worth going on with
    raise UserError(
        f"the loss became {progress.step_losses[-1]} in step {progress.step}",
        hint=f"Lower the learning rate: --train.learning-rate {descent.learning_rate / 10:g}",
    )


def _say_stopped(progress: Progress, descent: Descent, task: Task, show: Show) -> None:
    """That training ended early, and what is kept."""
    why = f"{descent.patience} epochs without a better {task.best_by} on the validation rows"
    kept = f"epoch {progress.best_epoch} is kept"
    show.note(f"stopped after epoch {progress.epoch} of {math.ceil(descent.epochs)}: {why}; {kept}")


def stand_still(backbone: Transformer) -> None:
    """No dropout: a private step has noise enough, and the gradient of a row can then be checked."""
    backbone.model.eval()


def work_of(prepared: Prepared, task: Task, rows: Ints) -> Work:
    """What the loop works on, but for what a run adds to it."""
    backbone = prepared.backbone
    return Work(
        model=backbone.model,
        forward=prepared.forward,
        start_training=lambda: prepared.method.start_training(backbone, prepared.cut),
        losses=task.losses,
        weigh=lambda some: task.weigh(prepared.tokens, some),
        tokens=prepared.tokens,
        targets=prepared.targets,
        rows=rows,
        pad_id=backbone.pad_id,
        device=backbone.device,
        head_prefixes=head_prefixes(backbone),
        together=Together(task.pool, task.loss) if task.is_joint else None,
    )


def predict_logits(prepared: Prepared, task: Task, rows: Ints) -> np.ndarray:
    """Logits (len(rows), C), or that many arrays (U, C), in the order of `rows`, dropout off."""
    prepared.backbone.model.eval()
    how = Reading(
        prepared.backbone.pad_id,
        prepared.backbone.device,
        READ_TOKENS // 4 if prepared.method.is_recomputing else READ_TOKENS,
        prepared.streams if prepared.filled is None else 1,
    )
    return logits_of(prepared.forward, prepared.tokens, rows, task=task, how=how)


def answered_logits(
    prepared: Prepared, gathered: Gathered, rows: Ints, logits: np.ndarray | None = None
) -> np.ndarray:
    """Logits of `rows` as they would be answered: a second round is asked about what the first has found.

    What the second round reads is new, so it goes through the whole network.
    """
    task, backbone = gathered.task, prepared.backbone
    logits = predict_logits(prepared, task, rows) if logits is None else logits
    forward = make_forward(prepared.method, backbone, prepared.taps, None, prepared.pace)

    def ask(examples: list[Example]) -> np.ndarray:
        tokens = task.encode(backbone.tokenizer, examples, prepared.limits).tokens
        how = Reading(backbone.pad_id, backbone.device, streams=prepared.streams)
        return logits_of(forward, tokens, np.arange(len(examples)), task=task, how=how)

    return settle(task, logits, gathered.part(rows), ask)


def head_prefixes(backbone: Transformer) -> tuple[str, ...]:
    """How the names of the head's parameters begin."""
    return tuple(name + "." for name in backbone.head_modules())


def num_trainable(prepared: Prepared) -> int:
    """How many numbers train."""
    return sum(one.numel() for one in prepared.backbone.model.parameters() if one.requires_grad)
