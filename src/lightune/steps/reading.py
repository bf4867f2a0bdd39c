"""Reading through the frozen part: where states are stored, filling the store, and running from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lightune.backbones.base import Tap
from lightune.backbones.precision import Precision, Speeds, attending, computing, kernel_name, reading_in
from lightune.backbones.streams import num_streams
from lightune.backbones.transformer import Transformer
from lightune.core.errors import UserError
from lightune.core.paths import is_disk_full, require_free
from lightune.core.progress import Show
from lightune.core.rows import Decisions
from lightune.core.tokens import Batch, Tokens
from lightune.engine import activations as store
from lightune.engine.activations import Below, Filled
from lightune.engine.predict import READ_TOKENS, Forward
from lightune.engine.sealed import VARIABLE
from lightune.engine.settings import CacheSettings
from lightune.methods.base import Method

if TYPE_CHECKING:
    import torch

Reader = Callable[[Batch], "Mapping[Tap, torch.Tensor]"]


@dataclass(frozen=True)
class Pace:
    """The arithmetic of the passes; how fast each was, where that was measured."""

    precision: Precision
    speeds: Speeds | None


def cache_as_before(known: Mapping[str, Any]) -> dict[str, Any]:
    """`--cache.*` for what is read again for a run: as it was trained, off where its key is not at hand.

    Args:
        known: its run.toml.
    """
    before = dict(known.get("cache", {}))
    return {"off": True} if before.get("encrypt") and not os.environ.get(VARIABLE) else before


def is_storable(
    backbone: Transformer, tokens: Tokens, taps: tuple[Tap, ...], pace: Pace, cache: CacheSettings
) -> bool:
    """Whether the states of these tokens at `taps` may be stored, and fit."""
    spaces = spaces_of(backbone, taps, pace, cache)
    needed = sum(store.bytes_needed(tokens, tap, space) for tap, space in spaces.items())
    return not cache.off and needed <= cache.limit_bytes


def spaces_of(
    backbone: Transformer, taps: tuple[Tap, ...], pace: Pace, cache: CacheSettings
) -> dict[Tap, store.Space]:
    """Where in the store the states at `taps` belong."""
    kernel = kernel_name(backbone.device, pace.precision, backbone.storage)
    spaces = {tap: store.space_of(backbone, tap, cache.dtype, kernel) for tap in taps}
    return {tap: replace(space, is_sealed=cache.encrypt) for tap, space in spaces.items()}


def below_in(precision: Precision, backbone: Transformer) -> Below:
    """The frozen part in that arithmetic, from whichever thread it is called."""

    def below(batch: Batch, taps: Sequence[Tap]) -> Mapping[Tap, torch.Tensor]:
        with reading_in(precision, backbone.device):
            return backbone.below(batch, taps)

    return below


def read_once(
    backbone: Transformer,
    tokens: Tokens,
    taps: tuple[Tap, ...],
    pace: Pace,
    cache: CacheSettings,
    decisions: Decisions,
    show: Show,
) -> Filled | None:
    """Fill the activation store for these tokens; None when the run goes without it, with the reason."""
    depth = max(tap.depth for tap in taps)
    if depth == 0:
        decisions.add("activations", "not stored", "every layer changes in training")
        return None
    if cache.off:
        decisions.add("activations", "not stored", "--cache.off")
        return None
    spaces = spaces_of(backbone, taps, pace, cache)
    needed = sum(store.bytes_needed(tokens, tap, space) for tap, space in spaces.items())
    if needed > cache.limit_bytes:
        why = f"{needed / 1e9:.1f} GB would not fit --cache.limit {cache.limit}"
        decisions.add("activations", "not stored", why)
        return None
    try:
        require_free(store.store_folder(), needed, "activations")
        for entry in store.make_room(cache.limit_bytes, needed, {space.name for space in spaces.values()}):
            show.note(f"dropped old activations: {entry.backbone}, {entry.bytes / 1e6:.0f} MB")
        filling = store.Filling(tokens, spaces)
        streams = num_streams(tokens.num_tokens, backbone.device, backbone.storage)
        below = below_in(pace.precision, backbone)
        backbone.model.eval()
        with show.bar(f"reading through {depth} frozen layers", tokens.num_tokens) as bar:
            filled = store.fill(backbone, filling, below, batch_tokens=READ_TOKENS, bar=bar, streams=streams)
    except UserError as error:
        if "not enough room" not in error.problem:
            raise
        show.warn(f"{error.problem}: training goes on without stored activations")
        return None
    except Exception as error:
        if not is_disk_full(error):
            raise
        show.warn("the disk is full: training goes on without stored activations")
        return None
    kept = f"{needed / 1e6:.1f} MB, {filled.num_read} read now, {filled.num_found} found"
    where = ", ".join(str(depth) for depth in sorted({tap.depth for tap in taps}))
    decisions.add("activations", f"stored at depth {where} of {backbone.depth}", kept)
    return filled


def make_forward(
    method: Method, backbone: Transformer, taps: tuple[Tap, ...], stored: Reader | None, pace: Pace
) -> Forward:
    """How to get logits of a batch: from what is stored, or from the beginning."""
    is_light = all(tap.depth == backbone.depth for tap in taps)  # nothing of the backbone runs above

    def forward(batch: Batch) -> torch.Tensor:
        precision: Precision = "float32" if stored and is_light else pace.precision
        with computing(precision, backbone.device), attending(precision, backbone.device, batch):
            if stored is None:
                return method.forward(backbone, batch).float()
            return method.logits(backbone, stored(batch), batch).float()

    return forward
