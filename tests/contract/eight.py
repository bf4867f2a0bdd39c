"""Eight examples and a short training on them: what every method must be able to learn by heart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lightune.core.progress import Show
from lightune.request import Request
from lightune.steps import learn, prepare
from lightune.steps.gather import Gathered, gather
from lightune.steps.prepare import Prepared
from tests.making import task_rows, write_csv

EPOCHS = 100
MOST_ROUNDS = 4
ENOUGH = 0.1
RATE, HEAD_RATE = 1.5e-2, 3e-2  # random weights bear larger steps than trained ones


@dataclass(frozen=True)
class Fitted:
    """How the training on eight examples went, dropout off.

    Attributes:
        first, last: mean loss before and after; score: the task's own metric on the eight.
    """

    first: float
    last: float
    score: float
    prepared: Prepared
    gathered: Gathered


def learn_eight(
    folder: Path,
    model: Path,
    *,
    task: str,
    method: str,
    layers: int | None = None,
    head: str = "auto",
    rate: float | None = None,
) -> Fitted:
    """Train `method` on eight synthetic examples of `task`.

    Raises:
        UserError: the method cannot train this model.
    """
    rows, header, text = task_rows(task, 8)
    groups = {
        "data": {"validation_fraction": 0.0, "test_fraction": 0.0},
        "train": {
            "epochs": EPOCHS,
            "learning_rate": rate or RATE,
            "head_learning_rate": HEAD_RATE,
            "schedule": "linear",
            "batch_rows": 8,
        },
        "method": {} if layers is None else {"layers": layers},
    }
    request = Request(
        data=str(write_csv(folder / f"{task}.csv", rows, header)),
        task=task,
        text=tuple(text.split(",")),
        label="label" if "label" in header else None,
        model=str(model),
        method=method,
        head=head,
        groups=groups,
    )
    show = Show(is_quiet=True)
    gathered = gather(request, show)
    source = prepare.choose_model(request, gathered, show)
    chosen = prepare.choose_method(request, gathered)
    prepared = prepare.prepare(request, gathered, source, chosen, show)
    every = np.arange(8)
    before = learn.predict_logits(prepared, gathered.task, every)
    descent = learn.resolve_descent(request, prepared, gathered, 8)
    for _ in range(MOST_ROUNDS):  # few biases of a tiny network need more rounds than full matrices
        learn.learn(prepared, gathered, descent, rows=every, held=every[:0], folder=None, show=show)
        measure = "accuracy" if gathered.task.kind == "text" else gathered.task.best_by
        after = learn.predict_logits(prepared, gathered.task, every)
        answered = learn.answered_logits(prepared, gathered, every, after)
        metric = gathered.task.metrics(answered, prepared.targets)[measure]
        if metric > 0.95 and gathered.task.mean_loss(after, prepared.targets[every]) < ENOUGH:
            break
    return Fitted(
        first=gathered.task.mean_loss(before, prepared.targets[every]),
        last=gathered.task.mean_loss(after, prepared.targets[every]),
        score=metric,
        prepared=prepared,
        gathered=gathered,
    )
