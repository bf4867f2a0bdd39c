"""Bottleneck adapters: small networks inside every layer, on the branch h that a part adds to the stream x.

A(z) = scale * up(f(down(z))), from width H to the bottleneck and back. The kinds differ in what A reads:

- `houlsby` (Houlsby et al. 2019, arXiv:1902.00751): h + A(h), behind attention and feed-forward.
- `pfeiffer` (Pfeiffer et al. 2020, arXiv:2005.00247): h + A(norm(x + h)), behind the feed-forward; no norm
  where the network has none there.
- `parallel` (He et al. 2021, arXiv:2110.04366): h + A(x), beside the feed-forward.

`up` starts at zero, so that training starts from the untouched network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from lightune.core.errors import UserError
from lightune.methods import _adapters_format as adapters_format
from lightune.methods._hooked import Hooked
from lightune.methods.base import MANY_ROWS, LayeredSettings, MethodSettings, Recipe

if TYPE_CHECKING:
    from lightune.backbones.sublayers import Sublayer
    from lightune.backbones.transformer import Transformer
    from lightune.methods._inserted import Inserted

Kind = Literal["pfeiffer", "houlsby", "parallel"]
REDUCTIONS: dict[Kind, int] = {"pfeiffer": 8, "houlsby": 16, "parallel": 8}
SCALES: dict[Kind, float] = {"pfeiffer": 1.0, "houlsby": 1.0, "parallel": 4.0}


class AdapterSettings(LayeredSettings):
    """What bottleneck adapters can be told."""

    kind: Kind = Field(
        "pfeiffer",
        description="pfeiffer: behind the feed-forward; houlsby: behind attention too; parallel: beside it",
    )
    width: int | None = Field(
        None, ge=1, le=8192, description="width of the bottleneck (the model's over 8, houlsby's over 16)"
    )
    scale: float | None = Field(None, gt=0, description="factor of what is added (1; of parallel 4)")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on what is added")


class Adapter(Hooked):
    """Bottlenecks in the top k layers (and a decoder's), and the head."""

    Settings: ClassVar[type[MethodSettings]] = AdapterSettings
    name = "adapter"
    summary = "small bottleneck networks inside the layers"
    paper = "Houlsby et al. 2019, arXiv:1902.00751"
    settings: AdapterSettings
    placed: list[Sublayer]
    """Where the bottlenecks went, in their order."""

    def recipe(self, num_rows: int) -> Recipe:
        """As LoRA: few epochs at a high peak."""
        epochs = 2 if num_rows >= 3000 else 3 if num_rows >= MANY_ROWS else 8 if num_rows >= 200 else 20
        return Recipe(2e-3, 2e-3, epochs, "onecycle", f"bottlenecks take high rates; {num_rows} rows")

    def places(self, backbone: Transformer) -> list[Sublayer]:
        """The parts of layers that get a bottleneck.

        Raises:
            UserError: the layers add their branches in a way that was not found out.
        """
        from lightune.backbones.sublayers import find_sublayers

        layers = backbone.layers_above(self.frozen_depth(backbone.depth))
        wanted = {"attention", "feed_forward"} if self.settings.kind == "houlsby" else {"feed_forward"}
        found = [
            one for one in find_sublayers(backbone.model, layers, backbone.probe()) if one.role in wanted
        ]
        if not found:
            kind = type(backbone.base).__name__
            raise UserError(f"no place for an adapter was found in {kind}", hint="Try --method lora.")
        return found

    def insert(self, backbone: Transformer) -> Inserted:
        """A bottleneck at each place."""
        from lightune.methods._bottleneck import Bottleneck, hook_in
        from lightune.methods._inserted import Inserted

        kind = self.settings.kind
        inside = self.settings.width or max(1, backbone.width // REDUCTIONS[kind])
        scale = self.settings.scale or SCALES[kind]
        inserted, self.placed = Inserted(), self.places(backbone)
        for place in self.placed:
            sizes = (backbone.width, inside)
            inserted.append(Bottleneck(sizes, kind, scale, self.settings.dropout))
            hook_in(backbone.model, place, inserted, kind)
        return inserted

    def save(self, backbone: Transformer, folder: Path) -> None:
        """The usual file, and where the `adapters` library knows the network, its format too."""
        super().save(backbone, folder)
        adapters_format.write(backbone, self.settings, self.placed, folder / adapters_format.FOLDER)

    def loading_code(self, backbone: Transformer) -> str:
        """The `adapters` library alone, where it knows the network."""
        if self.head != "standard" or not adapters_format.is_known(backbone):
            return super().loading_code(backbone)
        return adapters_format.loading_code(backbone)
