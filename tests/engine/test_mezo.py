"""MeZO: its step goes down the slope along one direction, and needs no gradient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lightune.engine import mezo
from lightune.engine.batches import Step
from tests.making import TinyModel, train_tiny


def test_a_step_follows_the_slope_along_its_direction() -> None:
    """On a quadratic the difference of two losses is the slope itself: theta - lr (z.g) z."""
    theta = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    wanted = torch.tensor([0.0, 1.0, 0.0])

    class Tokens:
        def batch(self, piece: object, **ignored: object) -> None:
            return None

    work = type("Work", (), {})()
    work.tokens, work.targets, work.pad_id, work.device = Tokens(), np.zeros(1), 0, "cpu"
    work.weigh, work.together = (lambda piece: 1), None
    work.forward = lambda batch: theta
    work.losses = lambda outputs, batch, targets: ((outputs - wanted) ** 2).sum()[None]
    optimizer = torch.optim.SGD([{"params": [theta], "weight_decay": 0.0}], lr=0.1)
    descent = type("Descent", (), {"clip": 0.0})()
    before = theta.detach().clone()
    torch.manual_seed(3)
    seed = int(torch.randint(2**31, (1,)))
    direction = torch.randn(3, generator=torch.Generator().manual_seed(seed))
    torch.manual_seed(3)
    loss = mezo.mezo_step(work, descent, Step((np.arange(1),)), optimizer)
    slope = direction @ (2 * (before - wanted))
    assert torch.allclose(theta.detach(), before - 0.1 * slope * direction, atol=2e-3)
    assert loss == pytest.approx(float(((before - wanted) ** 2).sum()), abs=1e-3)
    assert theta.grad is None


def test_it_learns_and_keeps_no_gradients(tiny: TinyModel, tmp_path: Path) -> None:
    steps = {"epochs": 150, "batch_rows": 48, "schedule": "constant", "patience": 0}
    groups = {"train": {"optimizer": "mezo", "learning_rate": 3e-2, **steps}}
    made = train_tiny(tmp_path, tiny("bert", num_layers=2), method="head", precision="exact", groups=groups)
    losses = [row["train_loss"] for row in made["epochs"]]
    assert np.mean(losses[-5:]) < 0.9 * losses[0]
