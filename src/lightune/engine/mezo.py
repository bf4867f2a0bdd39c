"""MeZO: training in the memory of inference, by two forward passes a step (Malladi et al. 2023).

arXiv:2305.17333, algorithm 1. All that trains is moved by +e z and by -e z, z drawn from N(0, 1); the
difference of the two losses is the slope along z, and one step is taken down it. There is no gradient and no
state: z is drawn again from its seed wherever it is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

MOVE = 1e-3  # e, as in the paper's experiments
EPOCHS = 10  # for one of a method that has gradients: one direction is a rough guide
LENGTH, MOST = 55.0, 2.0


def rate_share(num_trained: int) -> float:
    """Of a rate for Adam: z of n numbers is as long as their root, and the step should not be.

    A head of 800 on 300 movie rows was better at twice its rate than at a fifth (0.64, 0.58; 2026-11); all 22
    million of MiniLM then have 1e-6, which is what the paper gives RoBERTa.
    """
    return min(MOST, LENGTH / math.sqrt(max(1, num_trained)))


class MeZO(torch.optim.Optimizer):
    """SGD along random directions; `step` is handed the loss, a function that needs no gradient."""

    def __init__(self, groups: list[dict[str, Any]], clip: float) -> None:
        super().__init__(groups, {"lr": 1.0, "weight_decay": 0.0})
        self.clip = clip

    @torch.no_grad()
    def step(self, closure: Callable[[], float]) -> float:  # type: ignore[override]
        """One step; returns the mean of the two losses. A rate of 0 leaves its weights exactly as they are.

        The slope is cut to the largest norm that a gradient may have: the direction alone then counts.
        """
        seed = int(torch.randint(2**31, (1,)))
        self._move(seed, MOVE)
        ahead = _ask(closure, seed)
        self._move(seed, -2 * MOVE)
        behind = _ask(closure, seed)
        self._move(seed, MOVE)
        slope = (ahead - behind) / (2 * MOVE)
        if self.clip > 0:
            slope = max(-self.clip, min(self.clip, slope))
        for group, parameter, direction in self._directions(seed):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.sub_(direction, alpha=group["lr"] * slope)
        return (ahead + behind) / 2

    def _move(self, seed: int, length: float) -> None:
        for group, parameter, direction in self._directions(seed):
            parameter.add_(direction, alpha=length if group["lr"] > 0 else 0.0)

    def _directions(self, seed: int) -> Any:
        """(group, parameter, z of it), one after the other; the same for the same seed, on any device."""
        drawn = torch.Generator().manual_seed(seed)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.requires_grad:
                    yield group, parameter, torch.randn(parameter.shape, generator=drawn).to(parameter)


def _ask(closure: Callable[[], float], seed: int) -> float:
    """The loss, with the same dropout for the same seed."""
    before = torch.get_rng_state()
    torch.manual_seed(seed)
    found = float(closure())
    torch.set_rng_state(before)
    return found
