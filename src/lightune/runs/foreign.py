"""An adapter folder that plain peft wrote, described as a run: what it says, what its weights show, its base.

What is nowhere to be found is an error that names the flag which tells it.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.runs.folder import RunState, Told

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
TASKS = {
    "SEQ_CLS": "classify",
    "TOKEN_CLS": "tag",
    "CAUSAL_LM": "instruct",
    "SEQ_2_SEQ_LM": "instruct",
    "QUESTION_ANS": "answer",
}
CLASSES = {
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
    "ForConditionalGeneration": "SEQ_2_SEQ_LM",
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
}
OF_LABELS = {"SEQ_CLS": "ForSequenceClassification", "TOKEN_CLS": "ForTokenClassification"}
OUTPUTS = {"QUESTION_ANS": ("start", "end")}
PREFIX = re.compile(r"^base_model\.(model\.)?")
TUNED = {"loha": "hada_", "adalora": "lora_"}  # what a tuner's own weights begin with; its name elsewhere
FIELDS: dict[str, dict[str, Any]] = {
    "regress": {"mean": 0.0, "spread": 1.0},
    "answer": {"has_unanswerable": False},
}
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model")


def state_of(folder: Path, told: Told) -> RunState:
    """What a run's `lightune.json` would say of an adapter folder.

    Raises:
        UserError: broken or incomplete files, a tuner or a kind of network that does not open here, no base
            model, labels that do not fit.
    """
    from lightune.backbones.digests import digest
    from lightune.backbones.source import require_whole
    from lightune.methods.peft import described

    config = _read(folder / CONFIG)
    if not (folder / WEIGHTS).is_file() and (folder / "adapter_model.bin").is_file():
        hint = "Save it again with peft: model.save_pretrained(FOLDER, safe_serialization=True)."
        raise UserError("pickled weights are not opened: they can run any program", file=folder, hint=hint)
    require_whole(folder / WEIGHTS)
    try:
        method, settings = described(config)
    except UserError as error:
        raise UserError(error.problem, file=folder / CONFIG, hint=error.hint) from None
    kind = _kind(config, folder)
    source = _base(config, told, folder)
    base = _read(source.folder / "config.json")
    labels = _labels(folder, config, base, kind, told) if kind in OF_LABELS else OUTPUTS.get(kind, ())
    task = _task(kind, labels, base)
    has_tokenizer = any((folder / name).is_file() for name in TOKENIZERS)
    return RunState(
        task=task,
        task_state={"labels": list(labels), **_fields(task, labels)},
        method=method,
        method_settings=settings,
        head="standard",
        identifier=source.identifier,
        digest=digest(source.folder),
        limits={},
        text=["question", "context"] if task == "answer" else ["text"],
        label="label",
        model=source.name,
        extra={"weights": [WEIGHTS], "is_foreign": True, "has_own_tokenizer": has_tokenizer},
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    except (OSError, ValueError):
        pass
    raise UserError("this file cannot be read", file=file, hint="Copy the folder again, whole.")


def _kind(config: Mapping[str, Any], folder: Path) -> str:
    """Peft's name for the kind of network.

    Raises:
        UserError: it is none that gives answers.
    """
    said = str(config.get("task_type") or "")
    name = str((config.get("auto_mapping") or {}).get("base_model_class") or "")
    kind = said or next((one for end, one in CLASSES.items() if name.endswith(end)), "")
    if kind in TASKS:
        return kind
    hint = f"Add a task_type to {CONFIG}, one of {', '.join(TASKS)}, if it was trained for that."
    what = f"it is for {said or name or 'a network of no named kind'}, which has no head that answers"
    raise UserError(f"the adapter does not say what it predicts: {what}", file=folder / CONFIG, hint=hint)


def _base(config: Mapping[str, Any], told: Told, folder: Path) -> Any:
    """The base model that is named, on this machine."""
    from lightune.backbones.source import resolve

    name = told.model or str(config.get("base_model_name_or_path") or "")
    if not name:
        hint = "Name it with --model PATH."
        raise UserError("the adapter does not name its base model", file=folder / CONFIG, hint=hint)
    try:
        source = resolve(name, Show(is_quiet=True), can_fetch=False)
    except UserError as error:
        if told.model:
            raise
        problem = f"the adapter's base model {name!r} cannot be opened: {error.problem}"
        raise UserError(problem, file=folder, hint="Name its folder with --model PATH.") from None
    if source.folder is None:
        hint = f"Fetch it, or name its folder with --model PATH. Fetching: lightune models get {name}"
        raise UserError(f"the adapter's base model {name!r} is not on this machine", file=folder, hint=hint)
    return source


def _labels(
    folder: Path, config: Mapping[str, Any], base: Mapping[str, Any], kind: str, told: Told
) -> tuple[str, ...]:
    """Label names: as told, as some configuration says, else LABEL_0 and so on.

    Raises:
        UserError: there is no trained head, or its outputs are not as many as the labels told.
    """
    tuner = str(config["peft_type"]).lower()
    number = head_outputs(folder / WEIGHTS, TUNED.get(tuner, f"{tuner}_"))
    if number is None:
        is_headed = any(str(one).endswith(OF_LABELS[kind]) for one in base.get("architectures") or ())
        if not is_headed:
            hint = 'Save it with the head: peft\'s modules_to_save=["classifier"], or the name of yours.'
            raise UserError("neither the adapter nor its base holds a trained head", file=folder, hint=hint)
        number = len(base.get("id2label") or ()) or int(base.get("num_labels") or 2)
    if told.labels is not None and len(told.labels) != number:
        names = ", ".join(told.labels)
        hint = f"Give --labels with {number} names, in the order of the outputs."
        raise UserError(f"the head has {number} outputs, and --labels names {names}", file=folder, hint=hint)
    named = [told.labels] if told.labels is not None else []
    named += [_names(config.get("id2label")), *_beside(folder), _names(base.get("id2label"))]
    return next(
        (one for one in named if one and len(one) == number), tuple(f"LABEL_{n}" for n in range(number))
    )


def _beside(folder: Path) -> list[tuple[str, ...]]:
    """Label names that files beside the adapter hold."""
    found = []
    for name in ("labels.json", "config.json"):
        if (folder / name).is_file():
            known = _read(folder / name)
            found.append(_names(known if name == "labels.json" else known.get("id2label")))
    return found


def _names(names: Any) -> tuple[str, ...]:
    """`{"0": "neg", ...}` as a tuple; empty where it is none."""
    if not isinstance(names, Mapping):
        return ()
    by_number = {str(key): str(value) for key, value in names.items()}
    found = tuple(by_number.get(str(number), "") for number in range(len(by_number)))
    return found if all(found) and len(set(found)) == len(found) else ()


def _task(kind: str, labels: tuple[str, ...], base: Mapping[str, Any]) -> str:
    if kind == "SEQ_CLS" and (len(labels) == 1 or base.get("problem_type") == "regression"):
        return "regress"
    if kind == "SEQ_CLS" and base.get("problem_type") == "multi_label_classification":
        return "multilabel"
    return TASKS[kind]


def _fields(task: str, labels: tuple[str, ...]) -> dict[str, Any]:
    """What else a task has to know."""
    from lightune.core.spans import is_scheme

    if task == "tag":
        return {"has_spans": is_scheme(labels)}
    return FIELDS.get(task, {})


def head_outputs(file: Path, tuned: str) -> int | None:
    """How many outputs the head in an adapter file has; None where it holds no head.

    The head is what lies beside the layers; its last map is the one that does not keep its width.

    Args:
        tuned: what the names of the tuner's own weights begin with.
    """
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    shapes = {
        PREFIX.sub("", name): tuple(one["shape"])
        for name, one in header.items()
        if PREFIX.match(name) and name.endswith(".weight") and len(one["shape"]) == 2
    }
    layered = {name.split(".")[0] for name in shapes if any(part.isdigit() for part in name.split("."))}
    found = [
        shape
        for name, shape in shapes.items()
        if name.split(".")[0] not in layered and f".{tuned}" not in name and "embed" not in name
    ]
    narrowing = [outside for outside, inside in found if outside != inside]
    return min(narrowing or [outside for outside, _ in found], default=None)
