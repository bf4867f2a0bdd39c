"""Step 6: one object that says it all, and a table for the person."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.machine import peak_memory_bytes
from lightune.core.progress import Show
from lightune.steps.cost import Planned
from lightune.steps.gather import Gathered
from lightune.steps.keep import Outcome
from lightune.steps.measure import Measured
from lightune.steps.prepare import Prepared
from lightune.tasks.base import Task

SHOWN = (
    "chrf",
    "accuracy",
    "f1",
    "matthews",
    "pearson",
    "spearman",
    "mean_absolute_error",
    "recall@1",
    "mrr",
)


def guard_data(work: Path, prepared: Prepared, task: Task) -> None:
    """Tie an unfinished run to its tokens, so that it is never resumed on other data.

    Raises:
        UserError: the data has changed since the run was started.
    """
    tokens, gold = prepared.tokens, task.join(prepared.targets)
    digest = hashlib.blake2b(tokens.ids.tobytes() + gold.tobytes(), digest_size=16).hexdigest()
    file = work / "data.digest"
    if file.exists() and file.read_text() != digest:
        raise UserError(
            "the data has changed since the unfinished run was started",
            file=work,
            hint="Put the data back as it was, or leave --resume out to start again.",
        )
    file.write_text(digest)


def all_seconds(
    gathered: Gathered, prepared: Prepared, measured: dict[str, Measured], began: float
) -> dict[str, float]:
    """Seconds of each step, and of all."""
    return {
        "read": gathered.seconds,
        **prepared.seconds,
        "evaluate": sum(one.seconds for one in measured.values()),
        "total": time.perf_counter() - began,
    }


def summarise(outcome: Outcome, output: Path, spread: dict[str, Any], planned: Planned) -> dict[str, Any]:
    """The JSON object of `lightune train --json` (its keys are a contract)."""
    gathered, prepared = outcome.gathered, outcome.prepared
    seconds = outcome.seconds
    train_tokens = sum(
        int(prepared.tokens.offsets[b] - prepared.tokens.offsets[a])
        for a, b in zip(
            prepared.tokens.windows[gathered.train], prepared.tokens.windows[gathered.train + 1], strict=True
        )
    )
    busy = seconds["activations"] + seconds["train"]
    model = next(one.value for one in gathered.decisions.taken if one.what == "model")
    losses = outcome.progress.epochs
    summary = {
        "task": gathered.task.name,
        "method": prepared.method.name,
        "head": prepared.method.head,
        "model": model,
        "output": str(output),
        "from": str(gathered.start.folder) if gathered.start else None,
        "labels": list(gathered.task.labels),
        "metrics": {name: one.metrics for name, one in outcome.measured.items()},
        "intervals": {
            name: {key: list(pair) for key, pair in one.intervals.items()}
            for name, one in outcome.measured.items()
        },
        "final_loss": losses[-1].get("train_loss"),  # a private run tells none
        "epochs": losses,
        "best_epoch": outcome.progress.best_epoch,
        "seconds": seconds,
        "backbone_passes": busy * planned.tokens_per_second / max(train_tokens, 1),
        "forward_tokens_per_second": planned.tokens_per_second,
        "training_tokens": train_tokens,
        "peak_memory_bytes": peak_memory_bytes(),
        "trainable_parameters": prepared.num_trained,
        "cached_depth": prepared.cut,
        "sequences_read": prepared.filled.num_read if prepared.filled else None,
        "sequences_found": prepared.filled.num_found if prepared.filled else None,
        "plan": outcome.plan,
        "rungs": outcome.rungs,
        "rows": {name: len(getattr(gathered, name)) for name in ("train", "validation", "test")},
        "truncation": prepared.encoded.describe(),
        "decisions": [vars(one) for one in gathered.decisions.taken],
        "advice": outcome.advice,
        "calibration": outcome.trusted.calibration,
        "knows_familiar": outcome.trusted.region is not None,
    }
    if outcome.private:
        summary["privacy"] = outcome.private
    if outcome.request.privacy.mask == "on":
        summary["masked"] = gathered.altered.masked
    return summary | {name: one for name, one in spread.items() if one}


def show_result(outcome: Outcome, output: Path, show: Show) -> None:
    """The result beside the baselines, what it means, and what to do with it."""
    main = outcome.main
    if main is None:
        show.note(f"saved: {output} (no rows were left to test on)")
        return
    names = [name for name in SHOWN if name in main.metrics]
    own = {
        "name": f"{outcome.prepared.method.name} (this run)",
        "metrics": main.metrics,
        "intervals": main.intervals,
        "seconds": outcome.seconds["total"],
    }
    rows = []
    for rung in [*outcome.rungs, own]:
        cells = [_with_interval(rung, name) for name in names]
        rows.append((rung["name"], *cells, f"{rung['seconds']:.1f}"))
    part = "test" if "test" in outcome.measured else "validation"
    title = f"{len(main.rows)} {part} rows, with 95% intervals"
    show.table(title, ("model", *names, "seconds"), rows)
    for line in outcome.advice:
        show.note(line)
    error = outcome.plan["seconds_error"]
    side = "over" if error > 0 else "under"
    show.note(f"{outcome.seconds['total']:.0f} s in all; the plan was {abs(error):.0%} {side}.")
    show.note(
        f"saved: {output}\n  report: {output / 'report.html'}\n  use it: lightune predict {output} FILE"
    )


def _with_interval(rung: dict[str, Any], name: str) -> str:
    """The metric of a rung; a dash where it has none, as a copied text has no likelihood."""
    if name not in rung["metrics"]:
        return "–"
    low, high = rung["intervals"][name]
    return f"{rung['metrics'][name]:.3f} [{low:.3f}, {high:.3f}]"
