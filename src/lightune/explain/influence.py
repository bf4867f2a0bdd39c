"""Which training examples made a run say so: those nearest to a text, and those that trained the answer.

Influence is that of one step on an example upon the loss of the answer, in the last layer alone (TracIn,
Pruthi et al. 2020, arXiv:2002.08484, section 4.3), at the weights that were kept. The gradient there is
(p - y) outer h, so that it is the product of two dot products; its factor p - y is, up to a constant, the
weight of the representer points of Yeh et al. 2018, arXiv:1811.09720. Nothing is run through the network.

Letters: E training examples, F width of what the last layer reads, C outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import nn

    from lightune.core.tokens import Batch

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Answers:
    """What the last layer reads, `features` (E, F), and how far each answer is from gold, `errors` (E, C)."""

    features: Floats
    errors: Floats


def errors_of(kind: str, logits: NDArray[Any], targets: NDArray[Any]) -> Floats:
    """(E, C) the gradient of the loss by the logits: p - y."""
    logits = np.asarray(logits, dtype=np.float64)
    if kind == "number":
        return np.asarray(logits - np.asarray(targets).reshape(logits.shape), dtype=np.float32)
    if kind == "labels":
        return np.asarray(1 / (1 + np.exp(-logits)) - targets, dtype=np.float32)
    from lightune.tasks.base import softmax

    return np.asarray(softmax(logits) - np.eye(logits.shape[1])[targets], dtype=np.float32)


def influence(known: Answers, text: Answers) -> Floats:
    """(E,) of the training examples on one text (E = 1): above 0 speaks for the answer, below against it."""
    alike = known.features @ text.features[0] + 1  # + 1: the bias
    return np.asarray(alike * (known.errors @ text.errors[0]), dtype=np.float32)


@contextmanager
def last_layer(model: nn.Module, num_outputs: int) -> Iterator[list[torch.Tensor]]:
    """While open, a forward of `model` puts what its last linear maps read, (B, F) or (B, T, F), in the list.

    A side network has two whose outputs are added up: their features side by side are those of one.
    """
    from torch import nn

    kept: list[torch.Tensor] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, given: kept.append(given[0].detach()))
        for module in model.modules()
        if isinstance(module, nn.Linear) and module.out_features == num_outputs
    ]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def joined(kept: list[torch.Tensor], batch: Batch) -> torch.Tensor:
    """(B, F) of what `last_layer` kept of one pass; where outputs are of tokens, of the last one."""
    import torch

    pooled = [one for one in kept if one.dim() == 2]
    if not pooled:
        last = batch.attention_mask.sum(1) - 1
        pooled = [one[torch.arange(len(one), device=one.device), last] for one in kept if one.dim() == 3]
    return torch.cat(pooled, dim=1).float()
