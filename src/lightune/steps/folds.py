"""k-fold on request: the same cut, the same stored activations, k times another split."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from lightune.core.progress import Show
from lightune.core.tokens import Ints
from lightune.engine.loop import Descent
from lightune.methods.base import trained_state
from lightune.request import Request
from lightune.steps.gather import Gathered
from lightune.steps.learn import learn
from lightune.steps.measure import measure
from lightune.steps.prepare import Prepared


def each_fold(
    prepared: Prepared, gathered: Gathered, descent: Descent, folds: list[tuple[Ints, Ints]], show: Show
) -> Iterator[Ints]:
    """The held-out rows of each fold, while the network is trained on the others.

    Every fold starts from the same untouched weights, which are put back at the end. No epoch is chosen by
    rows that are held out: only where none is chosen are they asked about after each.
    """
    import torch

    model = prepared.backbone.model
    start = {name: one.clone() for name, one in trained_state(model).items()}
    random = torch.get_rng_state()
    try:
        for rows, held in folds:
            asked = held[:0] if descent.keeps_best else held
            learn(prepared, gathered, descent, rows=rows, held=asked, folder=None, show=show)
            yield held
            model.load_state_dict(start, strict=False)
    finally:
        model.load_state_dict(start, strict=False)
        torch.set_rng_state(random)


def cross_validate(
    request: Request, prepared: Prepared, gathered: Gathered, descent: Descent, show: Show
) -> dict[str, Any] | None:
    """{folds, mean, deviation} of the metrics over k held-out parts; None when not asked for."""
    if not request.folds:
        return None
    found = []
    folds = gathered.folds(request.folds, request.seed)
    for held in each_fold(prepared, gathered, descent, folds, show):
        metrics = measure(prepared, gathered, held).metrics
        found.append(metrics)
        name = gathered.task.best_by
        place = f"fold {len(found)} of {request.folds}"
        show.note(f"{place}: {name} {metrics[name]:.3f} on {len(held)} rows")
    return {"folds": found, **spread_of(found)}


def spread_of(found: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """{mean, deviation} of every metric over some trainings, two at least."""
    table = {name: np.array([metrics[name] for metrics in found]) for name in found[0]}
    return {
        "mean": {name: float(values.mean()) for name, values in table.items()},
        "deviation": {name: float(values.std(ddof=1)) for name, values in table.items()},
    }


def out_of_fold(
    prepared: Prepared, gathered: Gathered, descent: Descent, folds: list[tuple[Ints, Ints]], show: Show
) -> np.ndarray:
    """(epochs, E, C) logits of every example by a network not trained on it, after each epoch; else 0."""
    descent = replace(descent, keeps_best=False, patience=0)
    shape = math.ceil(descent.epochs), len(gathered.examples), len(gathered.task.labels)
    logits = np.zeros(shape, dtype=np.float32)
    for held in each_fold(prepared, gathered, descent, folds, show):
        logits[:, held] = np.stack(prepared.held_by_epoch)
    return logits
