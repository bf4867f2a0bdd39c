"""Seeds: everything random in a run starts here, before the adapter is created."""

from __future__ import annotations

import random

import numpy as np


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (every device)."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def generator(seed: int, *purpose: int) -> np.random.Generator:
    """An independent stream for one purpose, so that using one does not shift another."""
    return np.random.default_rng([seed, *purpose])
