"""Step 5: the run folder, with its card and its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightune
from lightune.core.errors import UserError
from lightune.core.paths import is_disk_full
from lightune.core.progress import Show
from lightune.engine.checkpoint import Progress
from lightune.engine.loop import Descent
from lightune.privacy.promise import promise
from lightune.request import Request
from lightune.runs.card import Card, write_card
from lightune.runs.familiar import write_region
from lightune.runs.folder import RunState, finish, write_state
from lightune.runs.parts import tokenizer_digest
from lightune.runs.report import Report, write_report
from lightune.runs.sentence_layout import write_sentence_layout
from lightune.steps.gather import Gathered
from lightune.steps.measure import Measured, confusion, main_of, mistakes
from lightune.steps.prepare import Prepared, limits_state
from lightune.steps.trust import Trust

SHOWN_LOSSES = 500


@dataclass
class Outcome:
    """All that a finished run knows, for the JSON object, the card and the report."""

    request: Request
    gathered: Gathered
    prepared: Prepared
    descent: Descent
    progress: Progress
    measured: dict[str, Measured]
    rungs: list[dict[str, Any]]
    advice: list[str]
    plan: dict[str, Any]
    seconds: dict[str, float]
    trusted: Trust = field(default_factory=Trust)
    private: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def main(self) -> Measured | None:
        """The test split's measures, or validation's where there is no test."""
        return main_of(self.measured)


def keep(outcome: Outcome, work: Path, output: Path) -> None:
    """Write everything into `work`, then give it its name.

    Raises:
        UserError: the disk is full; the work so far stays and `--resume` finishes it.
    """
    try:
        _write_all(outcome, work, output)
        finish(work, output, replace=outcome.request.overwrite)
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise UserError(
            "the disk is full, so the run could not be saved",
            file=output,
            hint="Free some room and give the same command with --resume: the training is not lost.",
        ) from None


def settings_of(outcome: Outcome) -> dict[str, Any]:
    """Every resolved setting, as run.toml holds them."""
    request, descent = outcome.request, outcome.descent
    known = vars(descent)
    train = {name: known.get(name, value) for name, value in request.train.model_dump().items()}
    speed = {name: known[name] for name in request.speed.model_dump()}
    return {
        "data": {"source": request.data, **request.data_settings.model_dump()},
        "run": {
            "lightune": lightune.__version__,
            "task": outcome.gathered.task.name,
            "text": list(outcome.gathered.columns.text),
            "label": outcome.gathered.columns.label,
            "model": outcome.prepared.backbone.identifier,
            "method": outcome.prepared.method.name,
            "head": outcome.prepared.method.head,
            "validation": request.validation,
            "test": request.test,
            "seed": request.seed,
        },
        "train": train,
        "method": outcome.prepared.method.settings.model_dump(),
        "speed": speed,
        "cache": request.cache.model_dump(),
        "privacy": {
            **request.privacy.model_dump(exclude_defaults=True),
            **_resolved_privacy(outcome.private),
        },
        "report": request.report.model_dump(),
    }


def _resolved_privacy(record: Mapping[str, Any]) -> dict[str, Any]:
    """What of a private run belongs into run.toml; noise and steps follow from the rest."""
    names = ("delta", "clip", "accountant", "noise", "steps")
    return {name: record[name] for name in names if name in record}


def _extra(outcome: Outcome) -> dict[str, Any]:
    known: dict[str, Any] = {"masks": True} if outcome.request.privacy.mask == "on" else {}
    canaries = outcome.gathered.altered.canaries
    return {**known, "canaries": canaries} if canaries else known


def run_state(outcome: Outcome) -> RunState:
    """What opening the run again needs."""
    gathered, prepared = outcome.gathered, outcome.prepared
    return RunState(
        task=gathered.task.name,
        task_state=gathered.task.state(),
        method=prepared.method.name,
        method_settings=prepared.method.settings.model_dump(),
        head=prepared.method.head,
        identifier=prepared.backbone.identifier,
        digest=prepared.backbone.digest,
        limits=limits_state(prepared.limits),
        text=list(gathered.columns.text),
        label=gathered.columns.label or "",
        model=outcome.summary["model"],
        language=gathered.language,
        version=lightune.__version__,
        extra={**_extra(outcome), **origin(outcome)},
    )


def origin(outcome: Outcome) -> dict[str, Any]:
    """Which tokenizer the run was trained with, and which weights it went on from."""
    start = outcome.gathered.start
    if start is None:
        return {"tokenizer_digest": tokenizer_digest(outcome.prepared.backbone.tokenizer_folder)}
    found: dict[str, Any] = {"from": str(start.folder)}
    if start.state.extra.get("has_own_tokenizer"):
        return found | {"has_own_tokenizer": True}
    return found | {"tokenizer_digest": tokenizer_digest(outcome.prepared.backbone.tokenizer_folder)}


def _write_all(outcome: Outcome, work: Path, output: Path) -> None:
    prepared = outcome.prepared
    prepared.method.save(prepared.backbone, work)
    prepared.backbone.tokenizer.save_pretrained(work)
    if outcome.trusted.region is not None:
        write_region(work, outcome.trusted.region)
    state = run_state(outcome)
    if state.extra.get("has_own_tokenizer"):
        state.extra["tokenizer_digest"] = tokenizer_digest(work)
    write_state(work, state, settings_of(outcome), outcome.summary)
    _write_splits(outcome, work)
    task = outcome.gathered.task
    if task.kind == "vectors" and prepared.method.opens_with == "transformers":
        shape = (prepared.method.head, prepared.backbone.width, prepared.limits.max_length)
        write_sentence_layout(work, *shape, getattr(task, "prefixes", ("", "")))
    write_card(work / "README.md", card_of(outcome, output))
    report = report_of(outcome, output)
    report.reasons = _reasons(outcome, state, work)
    write_report(work / "report.html", report)


def _reasons(outcome: Outcome, state: RunState, work: Path) -> list[dict[str, Any]]:
    """Some tested rows explained, where rows may be quoted."""
    from lightune.run import Run
    from lightune.steps.reasons import Cost, reasons

    gathered, prepared, request = outcome.gathered, outcome.prepared, outcome.request
    if outcome.main is None or not request.shows_texts:
        return []
    run = Run(work, state, gathered.task, prepared.method, prepared.backbone)
    speeds = prepared.pace.speeds
    cost = Cost(outcome.seconds["total"], speeds.float32 if speeds else None)
    return reasons(run, gathered, outcome.main, request.report.explain, cost=cost, show=Show(is_quiet=True))


def _write_splits(outcome: Outcome, work: Path) -> None:
    """splits.json: which rows of which file were in which part; row numbers, never texts."""
    import json

    gathered = outcome.gathered
    parts: dict[str, dict[str, list[int]]] = {}
    for name in ("train", "validation", "test"):
        for example in gathered.part(getattr(gathered, name)):
            parts.setdefault(name, {}).setdefault(Path(example.file).name, []).append(example.row)
    (work / "splits.json").write_text(json.dumps(parts) + "\n", encoding="utf-8")


def card_of(outcome: Outcome, output: Path) -> Card:
    """The model card's contents."""
    gathered, prepared = outcome.gathered, outcome.prepared
    main = outcome.main
    code = prepared.method.loading_code(prepared.backbone)
    if code and gathered.task.kind == "vectors":
        is_whole = prepared.backbone.structure.is_encoder_decoder  # its encoder alone answers
        code = (
            "" if is_whole else code + gathered.task.using(prepared.method.head, prepared.limits.max_length)
        )
    return Card(
        title=output.name,
        task=gathered.task.name,
        method=prepared.method.name,
        model=outcome.summary["model"],
        labels=list(gathered.task.labels),
        metrics=main.metrics if main else {},
        intervals=main.intervals if main else {},
        rungs=outcome.rungs,
        rows={name: len(getattr(gathered, name)) for name in ("train", "validation", "test")},
        loading=code,
        decisions=list(gathered.decisions.as_rows()),
        advice=outcome.advice,
        language=gathered.language,
        is_peft=prepared.method.opens_with == "peft",
        privacy=promise(outcome.private),
    )


def report_of(outcome: Outcome, output: Path) -> Report:
    """The report's contents."""
    from lightune.evaluate.calibration import reliability

    gathered, prepared = outcome.gathered, outcome.prepared
    shows_texts = outcome.request.shows_texts
    main, task = outcome.main, gathered.task
    targets = prepared.targets
    is_numbers = task.kind == "number"
    scatter = rows = None
    if main is not None and is_numbers:
        answers = [float(one.label) for one in task.decode(main.logits, gathered.part(main.rows))]
        scatter = [(float(gold), said) for gold, said in zip(targets[main.rows], answers, strict=True)]
    if main is not None and task.kind == "classes":
        decoded = task.decode(main.logits, gathered.part(main.rows))
        import numpy as np

        sure = np.array([one.probability for one in decoded])
        rows = reliability(sure, main.logits.argmax(axis=1) == targets[main.rows], bins=10)
    own = {
        "name": f"{prepared.method.name} (this run)",
        "metrics": main.metrics if main else {},
        "intervals": main.intervals if main else {},
        "seconds": outcome.seconds["total"],
        "is_this_run": True,
    }
    losses = outcome.progress.step_losses
    return Report(
        title=output.name,
        summary=[(one.what, one.value) for one in gathered.decisions.taken[:12]],
        decisions=list(gathered.decisions.as_rows()),
        metrics=main.metrics if main else {},
        intervals=main.intervals if main else {},
        rungs=[*outcome.rungs, own] if main else [],
        history=outcome.progress.epochs,
        step_losses=losses[:: max(1, len(losses) // SHOWN_LOSSES)],
        labels=list(task.labels),
        best_by=task.best_by,
        meanings=task.meanings,
        confusion=confusion(task, main, targets) if main else None,
        scatter=scatter,
        mistakes=mistakes(gathered, main) if main and shows_texts else [],
        reliability=rows,
        calibration=outcome.trusted.calibration,
        problems=gathered.problems if shows_texts else [],
        num_hidden=0 if shows_texts else len(gathered.problems),
        shows_texts=shows_texts,
        privacy=promise(outcome.private),
        plan=outcome.plan,
        truncation=prepared.encoded.describe(),
        splits=gathered.split_text,
        advice=outcome.advice,
    )
