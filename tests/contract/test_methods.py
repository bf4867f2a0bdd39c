"""Every method with every task on every kind of network: it learns eight examples by heart or says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from lightune import methods, tasks
from lightune.backbones.precision import Speeds
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.methods.base import Method
from lightune.tasks.base import Task
from tests.contract.eight import learn_eight
from tests.making import TinyModel
from tests.tiny import CLASSIFIERS

METHODS = plugins.names(methods)
ALL_TASKS = plugins.names(tasks)
WRITING = [name for name in ALL_TASKS if plugins.load(tasks, name, Task).kind == "text"]  # type: ignore[type-abstract]
OTHERS = [name for name in WRITING if name != "instruct"]
TASKS = [name for name in ALL_TASKS if name not in WRITING]
LAYERED = [
    name
    for name in METHODS
    if "layers" in plugins.load(methods, name, Method).Settings.model_fields  # type: ignore[type-abstract]
]
MAIN_KINDS = ("bert", "gpt2", "t5")
NOT_ALLOWED = {
    ("bitfit", "t5"): "no bias",
    ("bitfit", "llama"): "no bias",
    ("bitfit", "modernbert"): "no bias",
}
"""(method, kind of network) -> what the message says; every other pair must learn."""
SECONDARY = {"adapter", "bitfit", "loreft"}
"""What they do to each kind of network is tested in tests/methods: here the main pairs, the rest in slow."""


def pairs(methods_: list[str], others: list[str] | tuple[str, ...], main: set[str]) -> list[ParameterSet]:
    """(method, other) of all, those of secondary methods marked slow where `other` is not a main one."""
    return [
        pytest.param(
            method, other, marks=[pytest.mark.slow] if method in SECONDARY and other not in main else []
        )
        for method in methods_
        for other in others
    ]


def check(folder: Path, model: Path, kind: str, method: str, *, task: str, layers: int | None) -> None:
    """Learns the eight, or explains."""
    reason = NOT_ALLOWED.get((method, kind))
    if reason:
        with pytest.raises(UserError, match=reason) as caught:
            learn_eight(folder, model, task=task, method=method, layers=layers)
        assert "--method" in str(caught.value.hint)
        return
    fitted = learn_eight(folder, model, task=task, method=method, layers=layers)
    # Which option suits a question, a linear head (or a few biases) on random states can hardly say.
    is_hard = task == "choose" and method in {"head", "bitfit"}
    assert fitted.last < (0.55 if is_hard else 0.25) * fitted.first
    assert fitted.score > (0.85 if is_hard else 0.95)


@pytest.mark.parametrize("kind", MAIN_KINDS)
@pytest.mark.parametrize(("method", "task"), pairs(METHODS, TASKS, {"classify", "tag"}))
def test_learns_every_task(method: str, task: str, kind: str, tiny: TinyModel, tmp_path: Path) -> None:
    check(tmp_path, tiny(kind, num_layers=2), kind, method, task=task, layers=None)


@pytest.mark.parametrize(("method", "kind"), pairs(LAYERED, CLASSIFIERS, set(MAIN_KINDS)))
def test_learns_above_a_cut(method: str, kind: str, tiny: TinyModel, tmp_path: Path) -> None:
    """The top layer alone, on every kind of network."""
    check(tmp_path, tiny(kind, num_layers=2), kind, method, task="classify", layers=1)


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
@pytest.mark.parametrize("method", METHODS)
def test_learns_in_bfloat16(
    method: str, kind: str, tiny: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a processor that is quicker in it, whatever this one is."""
    monkeypatch.setattr("lightune.engine.plan.FEW_TOKENS", 1)
    monkeypatch.setattr("lightune.engine.plan.measured_speeds", lambda *a, **k: Speeds(1.0, 9.0))
    fitted = learn_eight(tmp_path, tiny(kind, num_layers=2), task="classify", method=method)
    assert fitted.prepared.pace.precision == "bfloat16"
    assert fitted.last < 0.25 * fitted.first
    assert fitted.score > 0.95


SLOW = SECONDARY | {"lora"}
WRITERS: list[Any] = [
    *((method, "instruct", "gpt2") for method in METHODS),
    *(
        pytest.param(method, "instruct", kind, marks=[pytest.mark.slow] if method in SLOW else [])
        for method in METHODS
        for kind in ("llama", "t5")
    ),
    *(("lora", task, "t5") for task in OTHERS),
    *(
        pytest.param("lora", task, kind, marks=pytest.mark.slow)
        for task in OTHERS
        for kind in ("gpt2", "marian")
    ),
    *((method, task, kind) for method in ("head", "side") for task in OTHERS for kind in ("gpt2", "t5")),
    *(pytest.param("full", task, kind, marks=pytest.mark.slow) for task in OTHERS for kind in ("gpt2", "t5")),
]


@pytest.mark.parametrize(("method", "task", "kind"), WRITERS)
def test_writes(method: str, task: str, kind: str, tiny: TinyModel, tmp_path: Path) -> None:
    """A language model learns eight replies, all layers and the top one alone; new outputs are refused."""
    model = tiny(kind, num_layers=2)
    if method in {"head", "side"}:
        with pytest.raises(UserError, match="trains new outputs") as caught:
            learn_eight(tmp_path, model, task=task, method=method)
        assert "--method lora" in str(caught.value.hint)
        return
    if (method, kind) in NOT_ALLOWED:
        check(tmp_path, model, kind, method, task=task, layers=None)
        return
    for layers in (None, 1) if method == "lora" else (None,):
        fitted = learn_eight(tmp_path, model, task=task, method=method, layers=layers)
        # Biases alone cannot turn random outputs that stay frozen, nor can changes of the prompt's states,
        # which attention alone carries on to the reply; their loss falls all the same.
        assert fitted.last < (0.8 if method == "loreft" else 0.4) * fitted.first
        assert fitted.score > {"bitfit": 0.5, "loreft": 0.1}.get(method, 0.95)


@pytest.mark.parametrize("method", ["head", "lora", "side", "full"])
@pytest.mark.parametrize("task", WRITING)
def test_an_encoder_cannot_write(task: str, method: str, tiny: TinyModel, tmp_path: Path) -> None:
    """Whatever the method, it is said why."""
    with pytest.raises(UserError, match=r"not a model that writes|trains new outputs"):
        learn_eight(tmp_path, tiny("bert", num_layers=2), task=task, method=method)
