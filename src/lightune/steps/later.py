"""Progressive freezing: all layers in the first epoch, then the lower ones frozen, and read once as well.

The lower layers settle first (Raghu et al. 2017, arXiv:1706.05806). From the second epoch on only the top k
layers train; what the others, as the first epoch left them, make of the texts is stored like any activations,
under a key of their own, and dropped when the run is over.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from torch import nn

from lightune.backbones.base import Tap
from lightune.backbones.transformer import Transformer
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Decisions
from lightune.engine import activations as store
from lightune.engine.loop import Work
from lightune.steps.prepare import Prepared
from lightune.steps.reading import make_forward, read_once, spaces_of


def with_lower_part_frozen(work: Work, prepared: Prepared, layers: int, show: Show) -> Work:
    """`work`, with a later part in which only the top `layers` train, from stored states.

    Raises:
        UserError: the method can train no part of the layers (prompts, or nothing that lies in layers).
    """
    whole = prepared.backbone.depth
    if work.choose is not None:
        hint = "Leave --speed.later-layers or --method.at-once out."
        raise UserError("layers that take turns cannot be frozen later", hint=hint)
    if prepared.method.frozen_depth(whole) >= whole:
        problem = f"--method {prepared.method.name} trains no layers, so none can be frozen later"
        raise UserError(problem, hint="Leave --speed.later-layers out.")
    depth = whole - layers
    if depth <= prepared.cut:
        return work

    def later() -> Work:
        freeze(prepared, depth, show)
        return replace(work, forward=prepared.forward, later=None)

    return replace(work, later=later)


def freeze(prepared: Prepared, depth: int, show: Show) -> None:
    """Nothing under `depth` trains any more; its states are stored. `prepared.thaw` undoes it."""
    backbone = prepared.backbone
    depth = backbone.verified_cut(depth)
    if depth <= prepared.cut:
        return
    frozen = trained_below(backbone, depth)
    before = (prepared.taps, prepared.filled, prepared.forward)
    for one in frozen:
        one.requires_grad_(False)
    backbone.changed_below = digest_of(frozen)
    taps = (Tap(depth),)
    spaces = spaces_of(backbone, taps, prepared.pace, prepared.cache)
    filled = read_once(
        backbone, prepared.tokens, taps, prepared.pace, prepared.cache, Decisions(), Show(is_quiet=True)
    )
    prepared.taps, prepared.filled = taps, filled
    read = filled.read if filled else None
    prepared.forward = make_forward(prepared.method, backbone, taps, read, prepared.pace)
    prepared.seconds["activations"] += filled.seconds if filled else 0.0
    show.note(f"from now on the top {backbone.depth - depth} of {backbone.depth} layers train")

    def thaw() -> None:
        for one in frozen:
            one.requires_grad_(True)
        backbone.changed_below = ""
        prepared.taps, prepared.filled, prepared.forward = before
        prepared.thaw = lambda: None
        store.clear([space.name for space in spaces.values()])

    prepared.thaw = thaw


def trained_below(backbone: Transformer, depth: int) -> list[nn.Parameter]:
    """The parameters under `depth` that have trained so far."""
    above = tuple(f"{name}." for name in backbone.above_names(depth))
    known = backbone.model.named_parameters()
    return [one for name, one in known if one.requires_grad and not name.startswith(above)]


def digest_of(parameters: list[nn.Parameter]) -> str:
    """A digest of their values."""
    found = hashlib.blake2b(digest_size=16)
    for one in parameters:
        found.update(one.detach().float().cpu().numpy().tobytes())
    return found.hexdigest()
