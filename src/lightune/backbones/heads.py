"""lightune's own heads: a pooling over the backbone's output and one linear layer.

The mean over tokens beats the first token by six points of accuracy when the backbone is frozen (MiniLM,
movie sentences, 2026-11), since the first token's state was trained for other things.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightune.backbones.base import Reduction


def reduce_tokens(hidden: torch.Tensor, mask: torch.Tensor, reduction: Reduction) -> torch.Tensor:
    """hidden: (B, T, H), mask: (B, T) -> (B, H): mean over real tokens, the first, or the last real one."""
    if reduction == "first":
        return hidden[:, 0]
    if reduction == "last":
        return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(1) - 1]
    weights = mask.to(hidden.dtype)[..., None]
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


def attend(hidden: torch.Tensor, mask: torch.Tensor, query: nn.Module) -> torch.Tensor:
    """hidden: (B, T, H), mask: (B, T) -> (B, H): tokens weighted by a softmax of `query`'s scores."""
    scores = query(hidden)[..., 0].masked_fill(~mask.bool(), -torch.inf)
    pooled: torch.Tensor = (scores.softmax(1)[..., None] * hidden).sum(1)
    return pooled


class PooledHead(nn.Module):
    """Pooling, dropout, linear.

    `pooling` is a reduction, `attention`: a learned weighting of tokens, or `tokens`: none at all. Without
    `num_labels` the output is the pooled vector itself, without dropout, until `add_projection`.
    """

    def __init__(self, width: int, num_labels: int | None, pooling: str, dropout: float = 0.1) -> None:
        super().__init__()
        self.pooling = pooling
        self.depths: tuple[int, ...] = ()  # none named: the top alone
        self.query = nn.Linear(width, 1, bias=False) if pooling == "attention" else None
        self.is_vector = num_labels is None
        self.dropout = nn.Dropout(0.0 if self.is_vector else dropout)
        self.output = nn.Identity() if num_labels is None else nn.Linear(width, num_labels)
        self.center: torch.Tensor
        self.scale: torch.Tensor
        self.register_buffer("center", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def fit_scale(self, pooled: torch.Tensor) -> None:
        """Set the fixed standardisation from pooled features (N, H) of training rows: few steps will do.

        Vectors stay as they are: they mean something already.
        """
        if self.is_vector:
            return
        self.center.copy_(pooled.mean(0))
        self.scale.copy_(pooled.std(0).clamp(min=1e-4) if len(pooled) > 1 else torch.ones_like(pooled[0]))

    def add_projection(self) -> None:
        """A linear map of the vector that trains; it starts as the identity, so that nothing changes yet."""
        width = len(self.center)
        projection = nn.Linear(width, width, device=self.center.device)
        nn.init.eye_(projection.weight)
        nn.init.zeros_(projection.bias)
        self.output = projection

    def widen(self, depths: Sequence[int]) -> None:
        """Read the pooled states of several depths side by side: new weights, for (B, len(depths) * H)."""
        self.depths = tuple(depths)
        width, device = len(depths) * len(self.center), self.center.device
        self.output = nn.Linear(width, self.output.out_features, device=device)  # type: ignore[arg-type]
        self.center, self.scale = torch.zeros(width, device=device), torch.ones(width, device=device)

    def pool(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T, H), (B, T) -> (B, H); (B, T, H) where nothing is pooled."""
        if self.pooling == "tokens":
            return hidden
        if self.query is None:
            return reduce_tokens(hidden, mask, self.pooling)  # type: ignore[arg-type]
        return attend(hidden, mask, self.query)

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """(..., H) -> (..., C)."""
        return self.output(self.dropout((pooled - self.center) / self.scale))  # type: ignore[no-any-return]


class Headed(nn.Module):
    """A bare transformers model under a `PooledHead`; called like those with a head of their own."""

    base_model_prefix = "base"

    def __init__(self, base: nn.Module, head: PooledHead) -> None:
        super().__init__()
        self.base = base
        self.head = head
        self.config: Any = base.config

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Logits (B, C), or (B, T, C) where nothing is pooled."""
        hidden = final_hidden(self.base, inputs, self.head.depths)
        return self.head(self.head.pool(hidden, inputs["attention_mask"]))  # type: ignore[no-any-return]


class Prompted(Headed):
    """A `Headed` on peft's wrapper that puts a prompt before the text, and that takes no token types."""

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Logits (B, C), or (B, T, C) where nothing is pooled."""
        inputs.pop("token_type_ids", None)
        return super().forward(**inputs)


def final_hidden(
    base: nn.Module, inputs: dict[str, torch.Tensor], depths: Sequence[int] = ()
) -> torch.Tensor:
    """(B, T, H): the output of a bare model; of its encoder alone where it has a decoder too.

    With `depths` the states there, side by side: (B, T, len(depths) * H). A prompt's own states, which come
    first, are left out.
    """
    extra: dict[str, bool] = {"output_hidden_states": True} if depths else {}
    if getattr(base.config, "is_encoder_decoder", False):
        base, inputs = base.get_encoder(), {name: inputs[name] for name in ("input_ids", "attention_mask")}  # type: ignore[operator]
    elif getattr(base.config, "use_cache", False):
        extra["use_cache"] = False
    output, length = base(**inputs, **extra), inputs["attention_mask"].shape[1]
    if not depths:
        return output.last_hidden_state[:, -length:]  # type: ignore[no-any-return]
    return torch.cat([output.hidden_states[depth][:, -length:] for depth in depths], dim=-1)
