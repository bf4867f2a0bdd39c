"""What the methods share that put small modules of lightune's own into a frozen network, by forward hooks.

The modules lie beside the network, as its child `inserted`, so that the run folder holds them and the head
alone. The network's code and names stay as they are.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lightune.core.errors import UserError
from lightune.methods.base import Method

if TYPE_CHECKING:
    from lightune.backbones.transformer import Transformer
    from lightune.methods._inserted import Inserted


class Hooked(Method):
    """Modules that hooks run inside a frozen network; they and the head (with its pooler) train."""

    apart = "modules of its own between the layers"

    @abstractmethod
    def insert(self, backbone: Transformer) -> Inserted:
        """Make the modules and register the hooks that run them; a start at no change is best."""

    def apply(self, backbone: Transformer) -> None:
        """Put the modules in; nothing else trains but they and the head.

        Raises:
            UserError: no layer is left to change.
        """
        if self.frozen_depth(backbone.depth) == backbone.depth:
            hint = "Set --method.layers to 1 or more, or take --method head."
            raise UserError(f"{self.name} finds no layer to change", hint=hint)
        backbone.model.requires_grad_(False)
        for name in backbone.head_modules():
            backbone.model.get_submodule(name).requires_grad_(True)
        inserted = self.insert(backbone).to(backbone.device)
        backbone.model.add_module("inserted", inserted)

        @contextmanager
        def off() -> Iterator[None]:
            inserted.is_off = True
            try:
                yield
            finally:
                inserted.is_off = False

        backbone.bypass = off

    def set_dropout(self, backbone: Transformer, cut: int) -> None:
        """Dropout in what is new and in the head; the pre-trained part's own stays off, as for LoRA."""
        backbone.set_training(cut)
        backbone.base.eval()
        for name in ["inserted", *backbone.head_modules()]:
            backbone.model.get_submodule(name).train()
