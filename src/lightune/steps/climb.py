"""One rung of the ladder: an earlier model or a method, trained, tested and timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lightune import methods
from lightune.backbones.source import Source
from lightune.core import plugins
from lightune.core.progress import Show
from lightune.core.rows import Decisions
from lightune.core.tokens import Ints
from lightune.engine.predict import Reading, logits_of
from lightune.history.base import Baseline
from lightune.methods.base import Method
from lightune.request import Request
from lightune.steps import baselines
from lightune.steps.gather import Gathered
from lightune.steps.learn import learn, resolve_descent
from lightune.steps.measure import measure
from lightune.steps.prepare import Prepared, head_of, prepare
from lightune.steps.reading import make_forward
from lightune.tasks.base import Intervals

SPEED_ROWS, WARM_ROWS = 256, 16  # rows that the speed of prediction is measured on, after some to warm up
SCORED = {"classes", "labels", "number", "tags"}  # kinds whose answers from elsewhere can be put as logits


@dataclass
class Climbed:
    """A rung, and how far up it got.

    Attributes:
        seconds: from texts and labels to a model that can be asked.
        rows_per_second: from texts to answers, as `predict` would go.
        size_bytes: what has to be kept to predict, the pre-trained model included.
        trained_bytes: the part of it that the training made.
        logits: (B, C) of the tested rows, or as many arrays; None where answers are no logits.
        settings: what was derived for the training.
    """

    name: str
    summary: str
    metrics: dict[str, float]
    intervals: Intervals
    seconds: float
    rows_per_second: float
    size_bytes: int
    trained_bytes: int
    logits: Any = None
    settings: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """What `compare --json` says of it (its keys are a contract)."""
        kept = {name: value for name, value in vars(self).items() if name != "logits"}
        return {**kept, "intervals": {name: list(pair) for name, pair in self.intervals.items()}}


@dataclass
class Ladder:
    """What all rungs share.

    Attributes:
        source: the pre-trained model; None when no rung needs one.
        reading: seconds that reading through the frozen layers has taken at most so far.
    """

    request: Request
    gathered: Gathered
    source: Source | None
    show: Show
    reading: float = 0.0

    @property
    def tested(self) -> Ints:
        """The rows that all rungs are tested on: the test rows, or those of validation without any."""
        return self.gathered.test if len(self.gathered.test) else self.gathered.validation

    @property
    def pool(self) -> Ints:
        """The rows that rungs without a validation of their own learn from."""
        gathered = self.gathered
        return np.concatenate([gathered.train, gathered.validation]) if len(gathered.test) else gathered.train

    def method(self, name: str) -> Method:
        """A method with its own defaults and the head that suits it."""
        kind = plugins.load(methods, name, Method)  # type: ignore[type-abstract]
        return kind(kind.Settings(), head_of(kind, self.request, self.gathered.task))


def climb_baseline(ladder: Ladder, kind: type[Baseline]) -> Climbed:
    """Train and test an earlier model."""
    gathered, task, tested = ladder.gathered, ladder.gathered.task, ladder.tested
    is_balanced = getattr(task, "weights", None) is not None
    model = kind(task.kind, is_balanced=is_balanced, seed=ladder.request.seed)
    rung = baselines.climb(model, gathered.part(ladder.pool), gathered.part(tested))
    examples = gathered.part(tested)
    metrics, intervals = task.score(rung.predictions, task.targets(examples), examples)
    return Climbed(
        name=kind.name,
        summary=kind.summary,
        metrics=metrics,
        intervals=intervals,
        seconds=rung.seconds - rung.answering_seconds,
        rows_per_second=len(tested) / max(rung.answering_seconds, 1e-6),
        size_bytes=rung.size_bytes,
        trained_bytes=rung.size_bytes,
        logits=task.as_logits(rung.predictions) if task.kind in SCORED else None,
    )


def climb_method(ladder: Ladder, name: str, others: Sequence[str] = ()) -> Climbed:
    """Fine-tune and test; whatever the rung shares with `others` still to come is read once.

    The seconds of that reading count for every rung that uses it, as if it were the only one.

    Raises:
        UserError: the method does not suit the model, the loss is no number, the disk is full.
    """
    assert ladder.source is not None
    request, show = ladder.request, ladder.show
    gathered = replace(ladder.gathered, decisions=Decisions())
    method = ladder.method(name)
    began = time.perf_counter()
    coming = [ladder.method(other) for other in others]
    prepared = prepare(request, gathered, ladder.source, method, show, others=coming)
    descent = resolve_descent(request, prepared, gathered)
    rows, held = gathered.train, gathered.validation if len(gathered.test) else gathered.validation[:0]
    progress = learn(prepared, gathered, descent, rows=rows, held=held, folder=None, show=show)
    seconds = time.perf_counter() - began
    if prepared.filled is not None:
        own = prepared.seconds["activations"]
        ladder.reading = max(ladder.reading, own)
        seconds += ladder.reading - own
    prepared.backbone.merge()
    measured = measure(prepared, gathered, ladder.tested)
    trained = prepared.num_trained
    return Climbed(
        name=name,
        summary=method.summary,
        metrics=measured.metrics,
        intervals=measured.intervals,
        seconds=seconds,
        rows_per_second=rows_per_second(prepared, gathered, ladder.tested),
        size_bytes=_bytes_of(prepared),
        trained_bytes=4 * trained,
        logits=None if gathered.task.kind == "vectors" else measured.logits,
        settings={"head": method.head, "best_epoch": progress.best_epoch, **vars(descent)},
    )


def rows_per_second(prepared: Prepared, gathered: Gathered, rows: Ints) -> float:
    """How fast texts are answered that were never read before: tokens, the whole network, answers."""
    task, backbone = gathered.task, prepared.backbone
    forward = make_forward(prepared.method, backbone, prepared.taps, None, prepared.pace)

    def seconds(some: Ints) -> float:
        began = time.perf_counter()
        examples = gathered.part(some)
        encoded = task.encode(backbone.tokenizer, examples, prepared.limits)
        how = Reading(backbone.pad_id, backbone.device, streams=prepared.streams)
        logits = logits_of(forward, encoded.tokens, np.arange(len(examples)), task=task, how=how)
        task.decode(logits, examples)
        return time.perf_counter() - began

    seconds(rows[:WARM_ROWS])
    measured = rows[:SPEED_ROWS]
    return len(measured) / max(seconds(measured), 1e-6)


def _bytes_of(prepared: Prepared) -> int:
    """The weights in memory, each once: the pre-trained model and what was added to it."""
    kept = {id(one): one.numel() * one.element_size() for one in prepared.backbone.model.parameters()}
    return sum(kept.values())
