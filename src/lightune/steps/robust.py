"""`lightune evaluate --robust`: what is left of the figures when the texts are changed as people do."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Example
from lightune.data.perturb import CHANGES, ENGLISH, MAY_TURN
from lightune.evaluate.paired import paired_bootstrap
from lightune.run import Run

KINDS = {"classes", "labels", "number"}
LEAST_ROWS = 20  # fewer changed rows say nothing


def robustness(
    run: Run, examples: list[Example], logits: Any, targets: Any, show: Show
) -> list[dict[str, Any]]:
    """[{change, rows, metrics, loss, changed, may_turn}] on the rows that each change touches.

    `loss` is clean minus changed on the same rows, with a paired 95% interval; `changed` the share of answers
    that became others.

    Args:
        logits, targets: (E, C) and (E, ...) of the rows as they are.

    Raises:
        UserError: a task whose answers lie in the text.
    """
    task = run.task
    if task.kind not in KINDS:
        hint = "It knows classify, pair, multilabel and regress."
        raise UserError(f"--robust does not know the task {task.name}", file=run.folder, hint=hint)
    is_english = run.state.language in ("en", "")
    found = []
    with show.bar("changing the texts", len(CHANGES)) as bar:
        for name in CHANGES:
            bar.advance()
            if name in ENGLISH and not is_english:
                continue
            rows, changed = _changed(name, examples)
            if len(rows) < LEAST_ROWS:
                show.note(f"{name}: {len(rows)} rows have something to change, too few")
                continue
            found.append({"change": name, **_compared(run, rows, changed, logits[rows], targets[rows])}
                         | {"may_turn": name in MAY_TURN})  # fmt: skip
    return found


def _changed(name: str, examples: list[Example]) -> tuple[np.ndarray, list[Example]]:
    """The rows that a change touches, and those examples changed; the same ones for the same data."""
    chance = random.Random(0)
    rows, found = [], []
    for place, one in enumerate(examples):
        texts = tuple(CHANGES[name](text, chance) for text in one.texts)
        if texts != one.texts and all(text.strip() for text in texts):
            rows.append(place)
            found.append(replace(one, texts=texts))
    return np.array(rows, dtype=np.int64), found


def _compared(run: Run, rows: np.ndarray, changed: list[Example], clean: Any, targets: Any) -> dict[str, Any]:
    task = run.task
    logits = run.outputs(changed)

    def metric(of: Any) -> Any:
        return lambda some: task.metrics(of[some], targets[some])

    losses = paired_bootstrap(metric(logits), metric(clean), len(rows))
    before, after = (task.decode(one, changed) for one in (clean, logits))
    return {
        "rows": len(rows),
        "metrics": run.score(logits, targets),
        "loss": {
            name: {"value": one.value, "low": one.low, "high": one.high} for name, one in losses.items()
        },
        "changed": float(np.mean([one.label != two.label for one, two in zip(before, after, strict=True)])),
    }
