"""The state of a training run in one safetensors file, replaced whole: a killed run goes on where it was.

Holds the trained tensors, the best ones so far, the optimiser's state, the random state and the history
(as JSON in the header). No pickle.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lightune.core.errors import UserError
from lightune.core.paths import is_disk_full

FILE = "checkpoint.safetensors"


@dataclass
class Progress:
    """How far a run has come: everything of it that is no tensor.

    Attributes:
        meant_epochs: how many it was started for.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    step_losses: list[float] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1
    risen_epoch: int = 0
    best_score: float = float("-inf")
    seconds: float = 0.0
    easy_share: float = 0.0
    is_finished: bool = False
    meant_epochs: float = 0.0


@dataclass
class Checkpoint:
    """All of it."""

    progress: Progress
    trained: dict[str, torch.Tensor]
    best: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]
    random: torch.Tensor


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write to another name, then replace: there is always one whole checkpoint.

    Raises:
        UserError: the disk is full; the previous checkpoint is still there.
    """
    tensors = {"random": checkpoint.random}
    for group in ("trained", "best", "optimizer"):
        tensors |= {f"{group}/{name}": one for name, one in getattr(checkpoint, group).items()}
    work = folder / f".{FILE}"
    try:
        save_file(_apart(tensors), work, metadata={"progress": json.dumps(vars(checkpoint.progress))})
        os.replace(work, folder / FILE)
    except Exception as error:
        work.unlink(missing_ok=True)
        if is_disk_full(error):
            raise UserError(
                "the disk is full, so the checkpoint could not be written",
                file=folder,
                hint="Free some room; --resume then goes on from the last checkpoint that was written.",
            ) from None
        raise


def _apart(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same, no two of them in one storage. What is by itself is not copied: it may be all the weights."""
    seen: set[int] = set()
    found = {}
    for name, one in tensors.items():
        storage = one.untyped_storage()
        is_alone = one.is_contiguous() and storage.nbytes() == one.nbytes and storage.data_ptr() not in seen
        seen.add(storage.data_ptr())
        found[name] = one if is_alone else one.clone(memory_format=torch.contiguous_format)
    return found


def remove(folder: Path) -> None:
    """Take the checkpoint away."""
    (folder / FILE).unlink(missing_ok=True)


def progress_of(folder: Path) -> Progress | None:
    """How far the run in `folder` has come; None without a checkpoint."""
    file = folder / FILE
    if not file.exists():
        return None
    with safe_open(file, framework="pt") as stream:
        return Progress(**json.loads(stream.metadata()["progress"]))


def load(folder: Path) -> Checkpoint | None:
    """The checkpoint in `folder`, or None."""
    progress = progress_of(folder)
    if progress is None:
        return None
    groups: dict[str, dict[str, Any]] = {"trained": {}, "best": {}, "optimizer": {}}
    with safe_open(folder / FILE, framework="pt") as stream:
        random = stream.get_tensor("random")
        for key in stream.keys():  # noqa: SIM118 - not a mapping
            group, _, name = key.partition("/")
            if name:
                groups[group][name] = stream.get_tensor(key)
    return Checkpoint(progress, groups["trained"], groups["best"], groups["optimizer"], random)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The optimiser's state by parameter number and name."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(one).detach()
        for number, members in state.items()
        for name, one in members.items()
        if one is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """The reverse of `optimizer_tensors`."""
    state: dict[int, dict[str, Any]] = {}
    for key, one in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = one
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
