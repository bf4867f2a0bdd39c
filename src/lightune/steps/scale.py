"""The fixed scale of lightune's own heads, taken from training rows before they are trained."""

from __future__ import annotations

from lightune.backbones.base import Tap
from lightune.backbones.transformer import Transformer
from lightune.core.tokens import Batch, Ints, Tokens, unpad
from lightune.engine.activations import Filled
from lightune.methods.base import Method

SCALE_ROWS = 1024  # training rows that a head's fixed scale is taken from


def fit_head(
    method: Method,
    backbone: Transformer,
    tokens: Tokens,
    rows: Ints,
    taps: tuple[Tap, ...],
    filled: Filled | None,
) -> None:
    """Give a head that has one its fixed scale, from the first training rows."""
    if method.head != "tokens" and taps[0].reduction == "tokens":
        return
    if max(tap.depth for tap in taps) < backbone.depth or type(method).prepare is Method.prepare:
        return
    import torch

    found = []
    for start in range(0, min(len(rows), SCALE_ROWS), 64):
        batch: Batch = tokens.batch(rows[start : start + 64], pad_id=backbone.pad_id, device=backbone.device)
        read = filled.read(batch) if filled else backbone.below(batch, taps)
        states = torch.cat([read[tap].float() for tap in taps], dim=-1)
        found.append(unpad(states, batch) if taps[0].reduction == "tokens" else states)
    method.prepare(backbone, torch.cat(found))
