"""Modules that forward hooks run inside a frozen network, and what such a hook gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    import torch


class Inserted(nn.ModuleList):
    """The modules that train. While `is_off`, the network is as it was."""

    is_off = False


def changed(output: Any, change: Any) -> Any:
    """What a module gave back, its hidden states (B, T, H), alone or first of a tuple, changed."""
    if isinstance(output, tuple):
        return (change(output[0]), *output[1:])
    hidden: torch.Tensor = change(output)
    return hidden
