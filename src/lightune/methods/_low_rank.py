"""LoRA's layer of peft, whose training step is one operation: W x + s B A x without sums on the side.

Peft writes B A x, its multiple by s and the sum to new memory each, and goes back the same way: in maps as
narrow as a small model's that is a good part of a step (docs/log.md, 2026-11-30 (3)). The update is added
here where W x lies. The values are peft's, and what is not the plain case is left to peft: dropout on the
update, hooks inside, several adapters, variants such as DoRA.

Letters: N states, I and O the widths of the map, R its rank.
"""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora.layer import Linear
from torch import nn
from torch.nn.functional import linear


class Summed(Linear):
    """Peft's layer for a linear map; parameters, names, merging and saving are peft's."""

    def forward(self, x: torch.Tensor, *more: Any, **named: Any) -> torch.Tensor:
        """x: (..., I) -> (..., O)."""
        if more or named or not torch.is_grad_enabled() or not self._is_plain():
            return super().forward(x, *more, **named)  # type: ignore[no-any-return]
        name = self.active_adapters[0]
        weights = self.lora_A[name].weight, self.lora_B[name].weight
        found: torch.Tensor = _Sum.apply(  # type: ignore[no-untyped-call]
            x, self.base_layer.weight, self.base_layer.bias, *weights, self.scaling[name]
        )
        return found

    def _is_plain(self) -> bool:
        """Whether the output is W x + b + s B A x, W and b stand still, and nobody listens inside."""
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1 or self.lora_variant:
            return False
        name, base = self.active_adapters[0], self.base_layer
        if name not in self.lora_A or type(base) is not nn.Linear:
            return False
        maps = base, self.lora_A[name], self.lora_B[name]
        if any(one._forward_hooks or one._forward_pre_hooks or one._backward_hooks for one in maps):
            return False
        dropout = self.lora_dropout[name]
        is_dropping = self.training and getattr(dropout, "p", 0.0) > 0
        stands = not any(one.requires_grad for one in base.parameters())
        kinds = {one.weight.dtype for one in maps}
        return not is_dropping and stands and self.lora_B[name].bias is None and len(kinds) == 1


class _Sum(torch.autograd.Function):
    """W x + b + s B A x, and the gradients of x, A and B.

    R is small, and which of two equal products is quick depends on how its operands lie: each is the quicker
    one for 432 states of MiniLM's maps (two threads of an AMD without AVX-512: up to 3.5 times as quick).
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        """inputs: (..., I), weight: (O, I), bias: (O,), down: (R, I), up: (O, R) -> (..., O)."""
        states = inputs.reshape(-1, inputs.shape[-1])  # (N, I)
        kind = _kind(inputs)
        # Each by itself: under autocast the states may come in its type already, the weights never do.
        states, weight, down, up = (one.to(kind) for one in (states, weight, down, up))
        bias = None if bias is None else bias.to(kind)
        raised = (up * scale).t().contiguous()  # (R, O); never in place: of rank 1 it would be B itself
        low = down @ states.t()  # (R, N)
        found = linear(states, weight, bias).addmm_(low.t(), raised)
        ctx.save_for_backward(states, weight, down, raised, low)
        ctx.scale, ctx.of_inputs = scale, (inputs.shape, inputs.dtype)
        return found.view(*inputs.shape[:-1], -1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[Any, ...]:
        """slope: (..., O); autograd itself casts what comes back to the types of A and B."""
        states, weight, down, raised, low = ctx.saved_tensors
        shape, kind = ctx.of_inputs
        slope = slope.reshape(-1, slope.shape[-1])
        of_low = linear(slope, raised)  # (N, R)
        of_inputs = of_down = of_up = None
        if ctx.needs_input_grad[0]:
            of_inputs = (slope @ weight).addmm_(of_low, down).view(shape).to(kind)
        if ctx.needs_input_grad[3]:
            of_down = of_low.t() @ states
        if ctx.needs_input_grad[4]:
            of_up = (low @ slope).mul_(ctx.scale).t()
        return of_inputs, None, None, of_down, of_up, None


def _kind(inputs: torch.Tensor) -> torch.dtype:
    """What is computed in: autocast's type where it is on."""
    device = inputs.device.type
    if not torch.amp.is_autocast_available(device):
        return inputs.dtype
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else inputs.dtype


def summed(config: Any) -> Any:
    """The same configuration of peft, whose linear maps `Summed` takes where they are LoRA's."""
    if isinstance(config, LoraConfig):
        config._register_custom_module({nn.Linear: Summed})
    return config
