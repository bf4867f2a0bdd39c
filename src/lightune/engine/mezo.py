"""MeZO: training in the memory of inference, by two forward passes a step.

Malladi et al. 2023, arXiv:2305.17333.

Algorithm 1: all that trains is moved by +e z and -e z, z drawn from N(0, 1); the difference of the two losses
says how far to go along z. No gradient is kept, and z is drawn again from its seed instead of kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from lightune.engine.batches import Step, epoch_steps
from lightune.engine.loop import Ability

if TYPE_CHECKING:
    from lightune.engine.loop import Descent, Work

MOVE = 1e-3  # e in the paper, as its experiments have it


def mezo(work: Work, descent: Descent) -> Ability:
    """The usual steps over the rows, each taken without a backward pass."""

    def sample(epoch: int) -> list[Step]:
        return epoch_steps(
            work.tokens,
            work.rows,
            batch_rows=descent.batch_rows,
            batch_tokens=descent.batch_tokens,
            seed=descent.seed,
            epoch=epoch,
        )

    return Ability(sample=sample, step=mezo_step)


@torch.no_grad()
def mezo_step(work: Work, descent: Descent, step: Step, optimizer: torch.optim.Optimizer) -> float:
    """Move everything that trains along one random direction; returns the mean of the two losses."""
    seed = int(torch.randint(2**31, (1,)))
    _move(optimizer, seed, MOVE)
    above = _loss(work, step, seed)
    _move(optimizer, seed, -2 * MOVE)
    below = _loss(work, step, seed)
    _move(optimizer, seed, MOVE)
    slope = (above - below) / (2 * MOVE)
    if descent.clip > 0:
        slope = max(-descent.clip, min(descent.clip, slope))
    drawn = torch.Generator().manual_seed(seed)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            direction = _direction(parameter, drawn)
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.sub_(direction, alpha=group["lr"] * slope)
    return (above + below) / 2


def _move(optimizer: torch.optim.Optimizer, seed: int, length: float) -> None:
    drawn = torch.Generator().manual_seed(seed)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.add_(_direction(parameter, drawn), alpha=length)


def _direction(parameter: torch.Tensor, drawn: torch.Generator) -> torch.Tensor:
    """Z of one parameter; the same for the same seed, on any device."""
    return torch.randn(parameter.shape, generator=drawn).to(parameter)


def _loss(work: Work, step: Step, seed: int) -> float:
    """The mean loss over all answers of a step, with the same dropout both times."""
    random = torch.get_rng_state()
    torch.manual_seed(seed)
    weight = max(1, sum(work.weigh(piece) for piece in step.pieces))
    total, compared = 0.0, []
    is_joint = work.together is not None and len(step.pieces) > 1
    for piece in step.pieces:
        batch = work.tokens.batch(piece, pad_id=work.pad_id, device=work.device)
        outputs = work.forward(batch)
        if work.together is not None and is_joint:
            compared.append(work.together.pool(outputs, batch))
        else:
            total += float(work.losses(outputs, batch, work.targets[piece]).sum())
    if work.together is not None and is_joint:
        whole = torch.cat(compared)
        targets = torch.as_tensor(work.targets[np.concatenate(step.pieces)], device=whole.device)
        total = float(work.together.loss(whole, targets).sum())
    torch.set_rng_state(random)
    return total / weight
