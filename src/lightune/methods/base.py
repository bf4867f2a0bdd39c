"""The method contract: which part of the network trains, how, and what of it is saved."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from lightune.backbones.base import Tap
from lightune.core.errors import UserError
from lightune.core.settings import Settings

if TYPE_CHECKING:
    import torch
    from torch import nn

    from lightune.backbones.transformer import Transformer
    from lightune.core.tokens import Batch

PRIVATE_STEPS, PRIVATE_EPOCHS = 12, 6  # steps an epoch, and epochs, of private training
MANY_ROWS = 800  # what is left to train on of a file of 1,000 rows; recipes were searched at 1,000
TRAINED_FILE = "trained.safetensors"
Schedule = Literal["linear", "cosine", "onecycle", "constant"]


class MethodSettings(Settings):
    """What a method can be told: nothing, unless it says so."""


class LayeredSettings(MethodSettings):
    """What a method can be told that changes layers."""

    layers: int | None = Field(
        None,
        ge=0,
        description="train only in the top k layers; what lies below is read once and cached (all)",
    )
    checkpointing: bool | None = Field(
        None,
        description="compute states inside layers again: less memory, more time (where --method.bits is)",
    )


@dataclass(frozen=True)
class Recipe:
    """Defaults that suit a method; the person's own `--train.*` settings come before them.

    Attributes:
        stops_early: whether epochs that bring nothing on the validation rows end the training; where they
            cost next to nothing, the best is kept of all.
    """

    learning_rate: float
    head_learning_rate: float
    epochs: int
    schedule: Schedule
    reason: str
    batch_rows: int = 32
    stops_early: bool = True


class Method(ABC):
    """One way of fine-tuning. The engine knows nothing of it but this contract."""

    Settings: ClassVar[type[MethodSettings]] = MethodSettings
    name: str
    summary: str
    paper: str
    kept = "below --method.layers"
    """What of the network can be read once and stored."""
    head: str = "standard"
    """The head it gets unless the person says `--head`."""
    unsafe_privately = ""
    """Why it cannot keep the promise of differential privacy."""
    opens_with: Literal["peft", "transformers", "lightune"] = "lightune"
    apart = ""
    """What of it cannot be written into the pre-trained weights; "" where nothing stands beside them."""
    may_overlap = False
    """Whether passes may run at once in several threads: nothing of a batch is kept outside of its pass."""
    unfit = ""
    """Why a training cannot start with it, though what was trained elsewhere opens; "" where it can."""

    def __init__(self, settings: MethodSettings, head: str) -> None:
        self.settings = settings
        self.head = head

    @abstractmethod
    def recipe(self, num_rows: int) -> Recipe:
        """Learning rate, epochs and schedule for a training set of `num_rows`."""

    def private_recipe(self, num_rows: int) -> Recipe:
        """The same for private training: the rows of a step share its noise, so large steps are good."""
        usual = self.recipe(num_rows)
        rows = max(usual.batch_rows, 2 ** round(math.log2(max(2, num_rows / PRIVATE_STEPS))))
        epochs = max(usual.epochs, PRIVATE_EPOCHS)
        reason = f"{usual.reason}; with noise, larger steps and more of them"
        return Recipe(
            usual.learning_rate, usual.head_learning_rate, epochs, "cosine", reason, batch_rows=rows
        )

    @abstractmethod
    def apply(self, backbone: Transformer) -> None:
        """Make what trains require a gradient, and nothing else."""

    def frozen_depth(self, depth: int) -> int:
        """How many bottom layers never change.

        Raises:
            UserError: more layers were asked for than the model has.
        """
        layers: int | None = getattr(self.settings, "layers", None)
        if layers is not None and layers > depth:
            hint = f"Give --method.layers {depth} or less, or leave it out for all of them."
            raise UserError(f"the model has {depth} layers, so {layers} of them cannot train", hint=hint)
        return 0 if layers is None else depth - layers

    def taps(self, depth: int) -> tuple[Tap, ...]:
        """Where, and reduced how, the trainable part reads the activations; one at depth 0: no cut."""
        return (Tap(self.frozen_depth(depth)),)

    def logits(
        self, backbone: Transformer, activations: Mapping[Tap, torch.Tensor], batch: Batch
    ) -> torch.Tensor:
        """(B, C) logits from the activations at `taps`, each (B, T, H), or (B, H) where reduced."""
        [(tap, hidden)] = activations.items()
        return backbone.above(hidden, batch, tap)

    def forward(self, backbone: Transformer, batch: Batch) -> torch.Tensor:
        """(B, C) logits from the tokens: the whole network."""
        return backbone.forward(batch)

    @property
    def extra_tokens(self) -> int:
        """Places of the network that the method itself takes: a prompt's virtual tokens."""
        return 0

    @property
    def bits(self) -> int | None:
        """Bits of a weight that the frozen part is stored in; None: as it is."""
        return getattr(self.settings, "bits", None)

    @property
    def is_recomputing(self) -> bool:
        """States inside layers are computed again on the way back: by itself where few bits are stored."""
        asked: bool | None = getattr(self.settings, "checkpointing", None)
        return self.bits is not None if asked is None else asked

    def start_training(self, backbone: Transformer, cut: int) -> None:
        """Dropout on where it belongs, above the cut; states are kept, or computed again."""
        self.set_dropout(backbone, cut)
        if self.is_recomputing:
            backbone.recompute(cut)

    def turns(self, backbone: Transformer, seed: int) -> Callable[[int], None] | None:
        """Of a method whose parts take turns: lets what trains in a step (from 0) alone need a gradient."""
        return None

    def set_dropout(self, backbone: Transformer, cut: int) -> None:
        """Dropout on where it belongs: above the cut."""
        backbone.set_training(cut)

    def prepare(self, backbone: Transformer, pooled: torch.Tensor) -> None:
        """Look at the activations (N, F) of some training rows, several taps side by side, where it helps."""
        return None

    def save(self, backbone: Transformer, folder: Path) -> None:
        """Write what was trained."""
        save_trained(backbone.model, folder / TRAINED_FILE)

    def load(self, backbone: Transformer, folder: Path) -> None:
        """Put what was trained into an untouched backbone."""
        self.apply(backbone)
        load_trained(backbone.model, folder / TRAINED_FILE)

    def resume(self, backbone: Transformer, folder: Path) -> None:
        """Put what was trained into an untouched backbone, ready to be trained further."""
        self.load(backbone, folder)

    def fold(self, backbone: Transformer) -> None:
        """Write its change into the weights, so that the plain network is left: most train in them."""
        return None

    def loading_code(self, backbone: Transformer) -> str:
        """Python lines that open the run, in its folder, without lightune; "" where only lightune can."""
        return ""


def require_new_head(name: str, backbone: Transformer) -> None:
    """Raise `UserError` where a method that trains new outputs only meets a network that has its own."""
    if backbone.spec.is_language_model:
        hint = "Take --method lora, with --method.layers 8 to keep the lower ones cached."
        raise UserError(
            f"--method {name} trains new outputs; a text is written by the model's own", hint=hint
        )


def trained_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Name -> tensor of all that trains, and of the head's fixed scale."""
    found = {name: one.detach() for name, one in model.named_parameters() if one.requires_grad}
    found |= {name: one for name, one in model.named_buffers() if name.startswith("head.")}
    return {name: one.cpu().contiguous() for name, one in found.items()}


def save_trained(model: nn.Module, file: Path) -> None:
    """`trained_state` as safetensors."""
    from safetensors.torch import save_file

    save_file({name: one.clone() for name, one in trained_state(model).items()}, file)


def load_trained(model: nn.Module, file: Path) -> None:
    """The reverse of `save_trained`, into a model to which the method was applied.

    Raises:
        UserError: the file does not belong to this model.
    """
    from safetensors.torch import load_file

    if not file.exists():
        raise UserError("the run folder lacks its trained weights", file=file, hint="Copy the folder whole.")
    saved = load_file(file)
    known = model.state_dict()
    wrong = [name for name, one in saved.items() if name not in known or known[name].shape != one.shape]
    if wrong:
        raise UserError(
            f"the weights in the run do not fit this model (first: {wrong[0]})",
            file=file,
            hint="The backbone is another one than the run was trained on.",
        )
    model.load_state_dict(saved, strict=False)
