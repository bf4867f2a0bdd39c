"""Several seeds on request: the same split and stored activations, another start and order of the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lightune.backbones.source import Source
from lightune.core.progress import Show
from lightune.engine.loop import Descent
from lightune.request import Request
from lightune.steps.folds import spread_of
from lightune.steps.gather import Gathered
from lightune.steps.learn import learn
from lightune.steps.measure import measure
from lightune.steps.prepare import Prepared, prepare


def vary_seeds(
    request: Request, prepared: Prepared, gathered: Gathered, source: Source, descent: Descent, show: Show
) -> dict[str, Any] | None:
    """{seeds, mean, deviation} of the metrics over the seeds behind the run's own; None when not asked for.

    Each is measured on the test rows, or the validation rows where there are none.
    """
    if not request.seeds:
        return None
    import torch

    random, taken = torch.get_rng_state(), list(gathered.decisions.taken)
    method = prepared.method
    rows = gathered.test if len(gathered.test) else gathered.validation
    found = []
    try:
        for seed in range(request.seed + 1, request.seed + 1 + request.seeds):
            own = replace(request, seed=seed)
            other = prepare(own, gathered, source, type(method)(method.settings, method.head), show)
            learn(
                other,
                gathered,
                replace(descent, seed=seed),
                rows=gathered.train,
                held=gathered.validation,
                folder=None,
                show=show,
            )
            other.backbone.merge()
            metrics = measure(other, gathered, rows).metrics
            other.thaw()  # what --speed.later-layers has stored is of these weights alone
            found.append({"seed": seed, **metrics})
            name = gathered.task.best_by
            show.note(f"seed {seed}: {name} {metrics[name]:.3f} on {len(rows)} rows")
    finally:
        gathered.decisions.taken[:] = taken
        torch.set_rng_state(random)
    return {"seeds": found, **spread_of([{k: v for k, v in one.items() if k != "seed"} for one in found])}
