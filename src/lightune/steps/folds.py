"""k-fold cross-validation on request: the same cut, the same stored activations, k times another split."""

from __future__ import annotations

from typing import Any

import numpy as np

from lightune.core.progress import Show
from lightune.engine.loop import Descent
from lightune.methods.base import trained_state
from lightune.request import Request
from lightune.steps.gather import Gathered
from lightune.steps.learn import learn
from lightune.steps.measure import measure
from lightune.steps.prepare import Prepared


def cross_validate(
    request: Request, prepared: Prepared, gathered: Gathered, descent: Descent, show: Show
) -> dict[str, Any] | None:
    """{folds, mean, deviation} of the metrics over k held-out parts; None when not asked for.

    Every fold starts from the same untouched weights, which are put back at the end.
    """
    if not request.folds:
        return None
    import torch

    model = prepared.backbone.model
    start = {name: one.clone() for name, one in trained_state(model).items()}
    random = torch.get_rng_state()
    found = []
    for number, (rows, held) in enumerate(gathered.folds(request.folds, request.seed)):
        learn(prepared, gathered, descent, rows=rows, held=held[:0], folder=None, show=show)
        metrics = measure(prepared, gathered, held).metrics
        found.append(metrics)
        name = gathered.task.best_by
        show.note(f"fold {number + 1} of {request.folds}: {name} {metrics[name]:.3f} on {len(held)} rows")
        model.load_state_dict(start, strict=False)
    torch.set_rng_state(random)
    table = {name: np.array([metrics[name] for metrics in found]) for name in found[0]}
    return {
        "folds": found,
        "mean": {name: float(values.mean()) for name, values in table.items()},
        "deviation": {name: float(values.std(ddof=1)) for name, values in table.items()},
    }
