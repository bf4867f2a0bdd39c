"""The plan: what a run will cost, told before it, and compared with what it did cost."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune import methods
from lightune.backbones.base import Tap
from lightune.backbones.source import Source
from lightune.backbones.streams import num_streams
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Decisions
from lightune.core.tokens import Batch
from lightune.engine import plan as engine_plan
from lightune.engine.activations import Filling
from lightune.engine.loop import Descent, make_optimizer, parameter_groups
from lightune.engine.optimizers import KINDS
from lightune.engine.plan import Calibration, Cost, Passes, Sizes
from lightune.engine.predict import READ_TOKENS
from lightune.engine.settings import parse_seconds, parse_size
from lightune.engine.watch import watched_depth
from lightune.methods.base import Method
from lightune.request import Request
from lightune.steps.gather import Gathered
from lightune.steps.learn import head_prefixes, num_trainable, resolve_descent
from lightune.steps.measure import writing_seconds
from lightune.steps.prepare import Prepared, choose_model, head_of, open_unread
from lightune.steps.reading import below_in, is_storable, make_forward, spaces_of
from lightune.steps.trust import rows_to_look_at

if TYPE_CHECKING:
    import torch

BASELINE_SECONDS_A_ROW = 6e-4  # TF-IDF and logistic regression, 4,000 short rows in 2.5 s (2 cores, 2026-11)
SAVING_SECONDS = 1.0
PRIVATE_COST = 2.0  # a private step against a usual one
BASELINE_BYTES, BASELINE_BYTES_A_ROW = 20 * 10**6, 14_000  # 6,000 short rows: 104 MB (2026-11)
REPORT_BYTES = 60 * 10**6  # explaining a few rows at the end, where the baselines took no room here (2026-12)


@dataclass(frozen=True)
class Planned:
    """A prediction, the calibration it came from, and padded tokens that were still to be read."""

    cost: Cost
    calibration: Calibration
    missing: int = 0

    @property
    def tokens_per_second(self) -> float:
        """S of the contract: the plain float32 forward of the whole network."""
        return 1 / self.calibration.plain

    def describe(self) -> str:
        """One line for the person."""
        memory = self.cost.peak_memory_bytes / 1e9
        return f"plan: about {show_seconds(self.cost.seconds)} and {memory:.1f} GB of memory at most"

    def against(self, seconds: float, peak: int) -> dict[str, Any]:
        """Prediction beside reality, with the relative errors."""
        predicted = self.cost
        return {
            "predicted_seconds": predicted.seconds,
            "seconds": seconds,
            "seconds_error": predicted.seconds / seconds - 1,
            "predicted_peak_memory_bytes": predicted.peak_memory_bytes,
            "peak_memory_bytes": peak,
            "memory_error": predicted.peak_memory_bytes / peak - 1,
        }


def show_seconds(seconds: float) -> str:
    """`2.4 s`, `45 s`, `3.2 min`, `1.5 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def foresee(
    request: Request, prepared: Prepared, gathered: Gathered, descent: Descent, *, spent: float
) -> tuple[Descent, Planned]:
    """The cost of a run whose frozen part is still to be read, `spent` seconds being behind it.

    With `--memory` the training passes get as small as they must be to fit; the descent says how small.
    """
    is_stored = prepared.cut > 0 and is_storable(
        prepared.backbone, prepared.tokens, prepared.taps, prepared.pace, prepared.cache
    )
    missing = missing_tokens(prepared) if is_stored else 0
    sizes = _pass_sizes(request, prepared, descent)
    smallest = replace(descent, batch_tokens=sizes[-1])
    known = _as_trained(request, calibration_of(prepared, gathered, smallest, is_read=not is_stored))
    start = Planned(Cost(0.0, 0, 0, 0), known, missing)
    for size in sizes:
        chosen = replace(descent, batch_tokens=size)
        planned = predict(request, prepared, gathered, chosen, spent=spent, known=start)
        if request.memory is None or planned.cost.peak_memory_bytes <= parse_size(request.memory):
            break
    if chosen.batch_tokens < descent.batch_tokens:
        why = f"larger passes would need more than --memory {request.memory}"
        gathered.decisions.add("batch tokens", str(chosen.batch_tokens), why)
    return chosen, planned


def _pass_sizes(request: Request, prepared: Prepared, descent: Descent) -> list[int]:
    """Padded tokens of a training pass, the size that is meant first; smaller ones where memory is short."""
    if request.memory is None or request.train.batch_tokens:
        return [descent.batch_tokens]
    least = int(prepared.tokens.example_lengths.max())
    halves = [descent.batch_tokens >> number for number in range(4)]
    return [descent.batch_tokens, *(size for size in halves[1:] if size > least)]


def missing_tokens(prepared: Prepared) -> int:
    """Tokens that the store lacks at the taps."""
    spaces = spaces_of(prepared.backbone, prepared.taps, prepared.pace, prepared.cache)
    return Filling(prepared.tokens, spaces).num_missing_tokens


def predict(
    request: Request,
    prepared: Prepared,
    gathered: Gathered,
    descent: Descent,
    *,
    spent: float,
    known: Planned,
) -> Planned:
    """The cost of a run by the calibration of an earlier plan of it, with other epochs or passes."""
    sizes = sizes_of(prepared, gathered, descent, fixed=spent, missing=known.missing)
    times = 1 + request.folds + request.seeds
    sizes = replace(
        sizes,
        epochs=sizes.epochs * times,
        validations=sizes.validations * times,
        steps=sizes.steps * times,
    )
    return replace(known, cost=_cost(known.calibration, sizes, prepared, descent))


def _as_trained(request: Request, known: Calibration) -> Calibration:
    """A private step finds the gradient of every row."""
    return replace(known, step=PRIVATE_COST * known.step) if request.privacy.is_private else known


def _cost(known: Calibration, sizes: Sizes, prepared: Prepared, descent: Descent) -> Cost:
    return engine_plan.predict_cost(
        known,
        sizes,
        num_trainable=num_trainable(prepared),
        depth=prepared.cut,
    )


def calibration_of(
    prepared: Prepared, gathered: Gathered, descent: Descent, *, is_read: bool = True
) -> Calibration:
    """Two seconds of real passes with these texts; `is_read`: nothing is left to read through the cut."""
    backbone, method = prepared.backbone, prepared.method
    batches = engine_plan.sample_batches(
        backbone,
        prepared.tokens,
        gathered.train,
        batch_rows=descent.batch_rows,
        batch_tokens=descent.batch_tokens,
    )

    read = below_in(prepared.pace.precision, backbone)

    def below(batch: Batch) -> Mapping[Tap, torch.Tensor]:
        return read(batch, prepared.taps)

    forward = prepared.forward
    if not is_read and prepared.cut:
        stand_in = {id(batch): {tap: one.clone() for tap, one in below(batch).items()} for batch in batches}
        forward = make_forward(
            method, backbone, prepared.taps, lambda batch: stand_in[id(batch)], prepared.pace
        )

    def step_loss(batch: Batch) -> torch.Tensor:
        return gathered.task.pool(forward(batch), batch).float().square().mean()  # as long as the loss takes

    def start_training() -> None:
        method.start_training(backbone, prepared.cut)
        if turns := method.turns(backbone, descent.seed):
            turns(0)

    speeds = prepared.pace.speeds
    is_merged = speeds is not None and backbone.can_merge and prepared.cut == 0
    passes = Passes(
        model=backbone.model,
        plain=backbone.plain_forward,
        below=None if is_read or not prepared.cut else below,
        forward=forward,
        step_loss=step_loss,
        start_training=start_training,
        make_optimizer=lambda: make_optimizer(
            parameter_groups(backbone.model, head_prefixes(backbone), descent), descent
        ),
        kind=KINDS[descent.optimizer],
        plain_speed=speeds.float32 if speeds else None,
        merged_speed=getattr(speeds, prepared.pace.precision) if is_merged else None,
        streams_below=num_streams(prepared.tokens.num_tokens, backbone.device, backbone.storage),
        streams_forward=prepared.streams if is_read or not prepared.cut else 1,
    )
    return engine_plan.calibrate(passes, batches, int(prepared.tokens.num_tokens * descent.epochs))


def sizes_of(
    prepared: Prepared, gathered: Gathered, descent: Descent, *, fixed: float, missing: int
) -> Sizes:
    """How much a run has to do. `missing`: padded tokens still to be read through the frozen part."""
    tokens = prepared.tokens
    longest = int(tokens.example_lengths.max())
    is_apart = gathered.beside is not None  # the baselines then take neither time nor memory of this process
    fixed += (0 if is_apart else BASELINE_SECONDS_A_ROW * tokens.num_examples) + SAVING_SECONDS
    fixed += 2 * writing_seconds(prepared, gathered)  # before training, and after it
    return Sizes(
        train_tokens=int(
            1.04 * engine_plan.padded_tokens(tokens, gathered.train, descent.batch_rows * longest)
        ),
        held_tokens=engine_plan.padded_tokens(tokens, gathered.validation, READ_TOKENS),
        test_tokens=(1 + gathered.task.is_able)
        * engine_plan.padded_tokens(tokens, gathered.test, READ_TOKENS)
        + _looked_tokens(prepared, gathered),
        missing_tokens=missing,
        biggest_piece=min(descent.batch_tokens, descent.batch_rows * longest),
        epochs=descent.epochs,
        validations=math.ceil(descent.epochs),
        steps=descent.num_steps(len(gathered.train)),
        fixed_seconds=fixed,
        held_bytes=REPORT_BYTES if is_apart else BASELINE_BYTES + BASELINE_BYTES_A_ROW * tokens.num_examples,
    )


def _looked_tokens(prepared: Prepared, gathered: Gathered) -> int:
    """As many tokens of the whole network as the alarm's rows cost, which are read up to the middle."""
    looked = engine_plan.padded_tokens(
        prepared.tokens, np.concatenate(rows_to_look_at(gathered)), READ_TOKENS
    )
    backbone = prepared.backbone
    return looked * watched_depth(backbone) // backbone.depth if prepared.cut == 0 else looked


def require_budget(request: Request, planned: Planned) -> None:
    """Refuse a run that would cost more than `--budget` or `--memory` allow, before it starts.

    Raises:
        UserError: with the nearest possible budget.
    """
    cost = planned.cost
    if request.budget and cost.seconds > 1.1 * parse_seconds(request.budget):
        need = show_seconds(cost.seconds)
        least = cost.seconds
        nearest = f"{math.ceil(least)}s" if least < 90 else f"{math.ceil(least / 60)}m"
        hint = f"Give --budget {nearest}, fewer --train.epochs, or a cheaper --method (head)."
        raise UserError(f"this run would take about {need}, more than --budget {request.budget}", hint=hint)
    if request.memory and cost.peak_memory_bytes > parse_size(request.memory):
        need = f"{cost.peak_memory_bytes / 1e9:.1f} GB"
        hint = (
            f"Give --memory {math.ceil(cost.peak_memory_bytes / 1e8) / 10}GB, or less --train.batch-tokens."
        )
        raise UserError(
            f"this run would need about {need} of memory, more than --memory {request.memory}", hint=hint
        )


def plan_methods(request: Request, gathered: Gathered, show: Show) -> dict[str, Any]:
    """Every method's cost on this data, cheapest first; nothing is trained or stored."""
    source = choose_model(request, gathered, show)
    names = plugins.names(methods) if request.method == "auto" else [request.method_name]
    rows = []
    with show.bar("measuring", len(names)) as bar:
        for name in names:
            kind = plugins.load(methods, name, Method)  # type: ignore[type-abstract]
            try:
                head = head_of(kind, request, gathered.task)
                rows.append(_cost_of(request, gathered, source, kind(request.method_settings(name), head)))
            except UserError as error:
                show.warn(f"{name}: {error.problem}")
            bar.advance()
    rows.sort(key=lambda row: row["seconds"])
    shown = [
        (
            row["name"],
            show_seconds(row["seconds"]),
            f"{row['peak_memory_bytes'] / 1e9:.2f} GB",
            f"{row['trainable_parameters']:,}",
            row["cached_depth"],
        )
        for row in rows
    ]
    show.table("plan", ("method", "time", "peak memory", "trainable", "layers read once"), shown)
    return {"methods": rows, "task": gathered.task.name, "model": source.name, "rows": len(gathered.examples)}


def _cost_of(request: Request, gathered: Gathered, source: Source, method: Method) -> dict[str, Any]:
    return _unread_cost(request, gathered, source, method).as_json(method.name)


def seconds_of(request: Request, gathered: Gathered, source: Source, method: Method) -> float:
    """About how long one more method would take, the texts being read already or not."""
    return _unread_cost(request, gathered, source, method).seconds - gathered.seconds


def _unread_cost(request: Request, gathered: Gathered, source: Source, method: Method) -> Cost:
    started = time.perf_counter()
    gathered = replace(gathered, decisions=Decisions())
    prepared = open_unread(request, gathered, source, method)
    descent = resolve_descent(request, prepared, gathered)
    fixed = gathered.seconds + time.perf_counter() - started
    _, planned = foresee(request, prepared, gathered, descent, spent=fixed)
    return planned.cost
