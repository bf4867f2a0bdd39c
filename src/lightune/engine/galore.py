"""GaLore: AdamW on gradients projected to few dimensions, whose state is small (Zhao et al. 2024).

arXiv:2403.03507. Of a weight of m rows and n columns, m the shorter side, the r largest left singular vectors
P (m, r) of its gradient G are taken anew every `GAP` steps. Adam keeps its two averages of P'G (r, n) instead
of G, and what it says is carried back by P. Vectors and small matrices are left to AdamW.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

RANK = 16
SCALE = 2.0  # of what is carried back: it has only r of m directions
GAP = 100  # steps with the same projection; the paper has 200 for runs of thousands
BETAS, EPSILON = (0.9, 0.999), 1e-8


def is_projected(shape: torch.Size) -> bool:
    """Whether the gradient of a weight of this shape is projected: a matrix with something to save."""
    return len(shape) == 2 and min(shape) > 2 * RANK


def num_kept(shape: torch.Size) -> int:
    """Numbers kept of a weight from step to step."""
    if not is_projected(shape):
        return 2 * shape.numel()
    return RANK * (2 * max(shape) + min(shape))


class GaLore(torch.optim.Optimizer):
    """AdamW; of large matrices in the space of the strongest directions of their gradients."""

    def __init__(self, groups: list[dict[str, Any]], lr: float) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step along the gradients."""
        found = closure() if closure else None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.sub_(self._update(parameter), alpha=group["lr"])
        return found

    def _update(self, parameter: torch.Tensor) -> torch.Tensor:
        """What Adam says of a parameter, in its own shape."""
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        number = int(state.get("step", torch.zeros(())))
        state["step"] = torch.tensor(float(number + 1))
        if not is_projected(parameter.shape):
            return _adam(state, gradient)
        is_tall = gradient.shape[0] > gradient.shape[1]
        wide = gradient.T if is_tall else gradient
        if number % GAP == 0:
            state["projection"] = strongest(wide, RANK)
        projection: torch.Tensor = state["projection"]
        update: torch.Tensor = SCALE * (projection @ _adam(state, projection.T @ wide))
        return update.T if is_tall else update


def strongest(gradient: torch.Tensor, rank: int) -> torch.Tensor:
    """(m, rank), orthonormal: the largest left singular vectors of `gradient` (m, n), m <= n.

    They are the eigenvectors of GG', which is small: of an embedding of 30,000 words too.
    """
    square: torch.Tensor = gradient @ gradient.T
    if not bool(torch.isfinite(square).all()):  # the loop says so when the epoch is over
        return torch.eye(len(square), rank).to(square)
    vectors: torch.Tensor = torch.linalg.eigh(square).eigenvectors
    return vectors[:, -rank:].contiguous()


def _adam(state: dict[str, Any], gradient: torch.Tensor) -> torch.Tensor:
    """Adam's direction (Kingma and Ba 2015), averages in `state`."""
    if "average" not in state:
        state["average"], state["square"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
    average: torch.Tensor = state["average"]
    square: torch.Tensor = state["square"]
    number = int(state["step"])
    average.lerp_(gradient, 1 - BETAS[0])
    square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
    spread = square.sqrt() / math.sqrt(1 - BETAS[1] ** number) + EPSILON
    direction: torch.Tensor = average / (1 - BETAS[0] ** number) / spread
    return direction
