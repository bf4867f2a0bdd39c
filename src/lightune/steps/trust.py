"""Step 4b: how far its answers can be believed: calibrated probabilities, and what it calls familiar."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune.backbones.base import Tap
from lightune.core.tokens import Batch, Ints
from lightune.engine.predict import Reading
from lightune.engine.watch import unit_means, unit_vectors, watched_depth, with_states
from lightune.evaluate.familiar import Region, fit_region
from lightune.evaluate.temperature import LEAST_ROWS, calibration_error, fit_temperature
from lightune.steps.gather import Gathered
from lightune.steps.measure import Measured
from lightune.steps.prepare import Prepared
from lightune.steps.states import gather_vectors

if TYPE_CHECKING:
    import torch

LOOKED_AT = 400  # rows of training, and of validation, that the region comes from: some seconds at most
WATCHED = {"classes", "labels", "number"}  # kinds of tasks whose rows have one vector


@dataclass
class Trust:
    """What a run keeps beside its weights.

    Attributes:
        calibration: temperature, and the expected calibration error before and after by split.
        region: where the training rows lie; None where the rows were too few.
    """

    calibration: dict[str, Any] = field(default_factory=dict)
    region: Region | None = None
    seconds: float = 0.0


def look(
    prepared: Prepared, gathered: Gathered, measured: dict[str, Measured], *, is_private: bool = False
) -> Trust:
    """Fit temperature and region; the task's probabilities are scaled from here on.

    A private run keeps no region: it is the mean and the spread of the training rows, without noise.
    """
    began = time.perf_counter()
    found = Trust(calibration=calibrate(prepared, gathered, measured))
    if gathered.task.kind in WATCHED and not is_private:
        found.region = familiar_region(prepared, gathered)
    found.seconds = time.perf_counter() - began
    return found


def calibrate(prepared: Prepared, gathered: Gathered, measured: dict[str, Measured]) -> dict[str, Any]:
    """{temperature, before, after}: fitted on validation; the errors of each split, test is what counts."""
    task, held = gathered.task, measured.get("validation")
    if task.temperature is None or held is None:
        return {}
    task.temperature = fit_temperature(held.logits, prepared.targets[held.rows])
    if len(held.rows) < LEAST_ROWS:
        why = f"{len(held.rows)} validation rows are too few to correct the probabilities"
    elif task.temperature == 1:
        why = f"{len(held.rows)} validation rows show no surer or less sure a model than its figures say"
    else:
        why = f"fitted on {len(held.rows)} validation rows; above 1: the model was too sure of itself"
    gathered.decisions.add("temperature", f"{task.temperature:.3f}", why)
    errors = {
        name: {
            split: calibration_error(one.logits, prepared.targets[one.rows], temperature)
            for split, one in measured.items()
        }
        for name, temperature in (("before", 1.0), ("after", task.temperature))
    }
    return {"temperature": task.temperature, **errors}


def rows_to_look_at(gathered: Gathered) -> tuple[Ints, Ints]:
    """Evenly drawn rows of training, and of validation; none where they are too few for a threshold."""
    train, held = gathered.train, gathered.validation
    if gathered.task.kind not in WATCHED or min(len(train), len(held)) < LEAST_ROWS:
        return train[:0], held[:0]
    return train[:: -(-len(train) // LOOKED_AT)], held[:: -(-len(held) // LOOKED_AT)]


def familiar_region(prepared: Prepared, gathered: Gathered) -> Region | None:
    """Where the training rows' middle states lie, its threshold from the validation rows."""
    train, held = rows_to_look_at(gathered)
    if not len(train):
        return None
    vectors = _middle_states(prepared, np.concatenate([train, held]))
    return fit_region(vectors[: len(train)]).with_threshold(vectors[len(train) :])


def _middle_states(prepared: Prepared, rows: Ints) -> np.ndarray:
    """(len(rows), H) states that `predict` will look at, from the store where they are in it."""
    backbone, filled, method = prepared.backbone, prepared.filled, prepared.method
    tap = Tap(watched_depth(backbone))
    stored = filled.activations[tap] if filled is not None and tap in filled.activations else None
    backbone.model.eval()

    def read(batch: Batch) -> torch.Tensor:
        if prepared.watched is not None:
            [means] = prepared.watched.read(batch).values()
            return unit_vectors(means, batch)
        if stored is not None and tap.depth < backbone.depth:  # at the top a last normalisation is in it
            return unit_means(stored.read(batch), batch)
        return with_states(backbone, lambda one: method.forward(backbone, one), batch, stops=True)[1]

    how = Reading(backbone.pad_id, backbone.device, streams=prepared.streams if filled is None else 1)
    return gather_vectors(read, prepared.tokens, rows, how)
