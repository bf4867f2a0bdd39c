"""Every method with every task on every kind of network: it learns eight examples by heart or says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightune import methods, tasks
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.methods.base import Method
from tests.contract.eight import learn_eight
from tests.making import TinyModel
from tests.tiny import CLASSIFIERS

METHODS = plugins.names(methods)
LAYERED = [name for name in METHODS if "layers" in plugins.load(methods, name, Method).Settings.model_fields]  # type: ignore[type-abstract]
TASKS = plugins.names(tasks)
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


def check(folder: Path, model: Path, kind: str, method: str, *, task: str, layers: int | None) -> None:
    """Learns the eight, or explains."""
    reason = NOT_ALLOWED.get((method, kind))
    if reason:
        with pytest.raises(UserError, match=reason) as caught:
            learn_eight(folder, model, task=task, method=method, layers=layers)
        assert "--method" in str(caught.value.hint)
        return
    fitted = learn_eight(folder, model, task=task, method=method, layers=layers)
    assert fitted.last < 0.25 * fitted.first
    assert fitted.score > 0.95


@pytest.mark.parametrize("kind", MAIN_KINDS)
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", METHODS)
def test_learns_every_task(method: str, task: str, kind: str, tiny: TinyModel, tmp_path: Path) -> None:
    check(tmp_path, tiny(kind, num_layers=2), kind, method, task=task, layers=None)


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("method", LAYERED)
def test_learns_above_a_cut(method: str, kind: str, tiny: TinyModel, tmp_path: Path) -> None:
    """The top layer alone, on every kind of network."""
    check(tmp_path, tiny(kind, num_layers=2), kind, method, task="classify", layers=1)
