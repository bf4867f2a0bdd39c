"""The network of the method `side`, apart from its settings: they are read for --help, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from lightune.backbones.heads import attend, reduce_tokens
from lightune.backbones.precision import in_float32
from lightune.methods.side import HEADS

if TYPE_CHECKING:
    from lightune.methods.side import SideSettings


class SideNetwork(nn.Module):
    """Gated rungs of width W over the states of R depths, pooled, beside the pooled states themselves.

    Forward: R tensors (B, T, H) and a mask (B, T) -> logits (B, C); (B, T, C) where nothing is pooled.
    """

    def __init__(
        self, sizes: tuple[int, int, int], settings: SideSettings, *, is_per_token: bool = False
    ) -> None:
        super().__init__()
        self.is_per_token = is_per_token
        hidden, num_rungs, num_labels = sizes
        width = settings.width
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.downs = nn.ModuleList(nn.Linear(hidden, width) for _ in range(num_rungs))
        self.gates = nn.Parameter(torch.zeros(num_rungs - 1))
        layers = [
            nn.TransformerEncoderLayer(
                width, HEADS, 2 * width, settings.dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(num_rungs)
        ]
        self.layers = nn.ModuleList(layers)
        for attention in (layer.self_attn for layer in layers):
            attention.dropout = 0.0  # dropout inside would rule out the fast attention
        self.final = nn.LayerNorm(width)
        self.query = nn.Linear(width, 1, bias=False)
        self.dropout = nn.Dropout(settings.dropout)
        self.output = nn.Linear(width, num_labels)
        self.skip = nn.Linear(num_rungs * hidden, num_labels)
        nn.init.zeros_(self.query.weight)
        nn.init.zeros_(self.output.weight)

    def start_at_nothing(self) -> None:
        """Zero output before training, where it is added to vectors that mean something already."""
        for linear in (self.output, self.skip):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, rungs: list[torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
        """R tensors (B, T, H), mask (B, T) -> (B, C) or (B, T, C), in float32 whatever the backbone runs in.

        So it answers alike from stored states, as it is trained, and from ones just computed.
        """
        with in_float32(mask.device.type):
            return self._logits(rungs, mask)

    def _logits(self, rungs: list[torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
        is_padding = ~mask.bool()
        normed = [self.norm(hidden) for hidden in rungs]
        state = self.layers[0](self.downs[0](normed[0]), src_key_padding_mask=is_padding)
        for gate, hidden, down, layer in zip(
            self.gates.sigmoid(), normed[1:], self.downs[1:], self.layers[1:], strict=True
        ):
            state = gate * state + (1 - gate) * down(hidden)
            state = layer(state, src_key_padding_mask=is_padding)
        pooled, straight = self.final(state), torch.cat(normed, dim=-1)
        if not self.is_per_token:
            pooled, straight = attend(pooled, mask, self.query), reduce_tokens(straight, mask, "mean")
        logits: torch.Tensor = self.output(self.dropout(pooled)) + self.skip(self.dropout(straight))
        return logits
