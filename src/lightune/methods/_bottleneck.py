"""The networks of the method `adapter`, and the hooks that run them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lightune.backbones.sublayers import Sublayer, first_tensor
from lightune.methods._inserted import Inserted, changed

if TYPE_CHECKING:
    from lightune.methods.adapter import Kind

ACTIVATIONS: dict[Kind, type[nn.Module]] = {"pfeiffer": nn.ReLU, "houlsby": nn.SiLU, "parallel": nn.ReLU}


class Bottleneck(nn.Module):
    """(..., H) -> (..., H): down, activation, up, times `scale`."""

    def __init__(self, sizes: tuple[int, int], kind: Kind, scale: float, dropout: float) -> None:
        super().__init__()
        outside, inside = sizes
        self.down = nn.Linear(outside, inside)
        self.activation = ACTIVATIONS[kind]()
        self.up = nn.Linear(inside, outside)
        self.scale = scale
        self.dropout = nn.Dropout(dropout)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        for tensor in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(tensor)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """What is to be added, without the residual."""
        added: torch.Tensor = self.dropout(self.scale * self.up(self.activation(self.down(hidden))))
        return added


def hook_in(model: nn.Module, place: Sublayer, inserted: Inserted, kind: Kind) -> None:
    """Register the hooks that run the last of `inserted` at `place`."""
    bottleneck: nn.Module = inserted[-1]
    norm = None if place.norm is None else model.get_submodule(place.norm)
    stream: list[torch.Tensor] = []

    def keep(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        hidden = first_tensor(given, named)
        if hidden is not None:
            stream[:] = [hidden]

    def read(branch: torch.Tensor) -> torch.Tensor:
        if kind == "houlsby":
            return branch
        (before,) = stream
        stream.clear()
        if kind == "parallel":
            return before
        return before + branch if norm is None else norm(before + branch)

    def add(module: nn.Module, given: object, output: Any) -> Any:
        if inserted.is_off:
            stream.clear()
            return None
        change: Callable[[torch.Tensor], torch.Tensor] = lambda branch: branch + bottleneck(read(branch))  # noqa: E731
        return changed(output, change)

    if kind != "houlsby":
        model.get_submodule(place.source).register_forward_pre_hook(keep, with_kwargs=True)
    model.get_submodule(place.writer).register_forward_hook(add)
