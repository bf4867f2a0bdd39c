"""The optimisers by name: how each is made, what it keeps of a weight, and whether it goes backwards.

SGD, Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019), and two for little memory. Torch's own are
fused: one pass over the weights in a step, not one for each operation of the rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lightune.engine import galore, mezo

Groups = list[dict[str, Any]]
FLOAT = 4


@dataclass(frozen=True)
class Kind:
    """One optimiser.

    Attributes:
        make: groups of parameters, largest norm of what it moves by (0: any) -> the optimiser.
        num_kept: shape of a weight -> the numbers it keeps of it from step to step.
        goes_back: whether it needs gradients. One that does not is handed the step's loss as a function.
        rate_share: numbers that train -> the share of the method's learning rate that suits.
        more_epochs: of the method's epochs, likewise.
    """

    make: Callable[[Groups, float], torch.optim.Optimizer]
    num_kept: Callable[[torch.Size], int]
    goes_back: bool = True
    rate_share: Callable[[int], float] = lambda _: 1.0
    more_epochs: int = 1


def fused(kind: type[torch.optim.Optimizer], groups: Groups, **settings: Any) -> torch.optim.Optimizer:
    """An optimiser of torch's, fused where this torch can on the device of the weights."""
    try:
        return kind(groups, fused=True, **settings)  # type: ignore[call-arg]
    except RuntimeError:  # torch 2.4 on Apple's GPUs
        return kind(groups, **settings)


KINDS = {
    "adamw": Kind(
        lambda groups, _: fused(torch.optim.AdamW, groups, lr=1.0), lambda shape: 2 * shape.numel()
    ),
    "adam": Kind(lambda groups, _: fused(torch.optim.Adam, groups, lr=1.0), lambda shape: 2 * shape.numel()),
    # Not fused: torch's fused SGD wants the momentum of all or of none, and layers may take turns.
    "sgd": Kind(lambda groups, _: torch.optim.SGD(groups, lr=1.0, momentum=0.9), lambda shape: shape.numel()),
    "galore": Kind(lambda groups, _: galore.GaLore(groups, lr=1.0), galore.num_kept),
    "mezo": Kind(
        mezo.MeZO, lambda _: 0, goes_back=False, rate_share=mezo.rate_share, more_epochs=mezo.EPOCHS
    ),
}
"""Their names are those of `--train.optimizer`. The loop sets the rate before every step."""


def kept_bytes(model: nn.Module, kind: Kind) -> int:
    """Bytes of gradients and of the optimiser's state, of all that trains at the moment."""
    training = [one for one in model.parameters() if one.requires_grad]
    return FLOAT * sum(kind.num_kept(one.shape) + kind.goes_back * one.numel() for one in training)
