"""From a source to a loaded backbone with a fresh head, on the best device there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightune.backbones.base import HeadSpec
from lightune.backbones.digests import digest
from lightune.backbones.source import Source
from lightune.core.machine import while_importing
from lightune.core.randomness import seed_everything

if TYPE_CHECKING:
    from lightune.backbones.transformer import Transformer


def open_backbone(
    source: Source, spec: HeadSpec, *, head: str, seed: int, bits: int | None = None
) -> Transformer:
    """The untouched backbone; everything random is seeded before the head is made."""
    with while_importing():
        from lightune.backbones.transformer import Loading, Transformer

        seed_everything(seed)
        return Transformer.load(
            str(source.folder or source.identifier),
            spec,
            head=head,
            identifier=source.identifier,
            digest=digest(source.folder) if source.folder else source.identifier,
            device=best_device(),
            how=Loading(str(source.tokenizer or ""), bits),
        )


def best_device() -> str:
    """CUDA or MPS where there is one, else the CPU."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
