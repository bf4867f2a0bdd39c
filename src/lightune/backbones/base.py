"""The backbone contract: a pre-trained network that runs in two parts, cut at a depth.

Depth k is the place before layer k: 0 is the whole network, `depth` is behind the last layer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch
    from torch import nn

    from lightune.core.tokens import Batch

Reduction = Literal["tokens", "mean", "first", "last"]
POOLED: frozenset[str] = frozenset({"mean", "first", "last"})  # a fixed pooling, of one or several depths
USUAL_DEPTHS = 3  # four to six points more than the top alone on a frozen network (docs/log.md, 2026-11-26)


def spread(depth: int, number: int) -> tuple[int, ...]:
    """`number` depths of a network, evenly spaced, its top the last of them."""
    return tuple(round(depth * (one + 1) / number) for one in range(number))


@dataclass(frozen=True, order=True)
class Tap:
    """A place whose activations the trainable part reads.

    Attributes:
        depth: 0 ... depth of the backbone.
        reduction: `tokens` keeps (N, H) at the cut; the others keep (S, H), one vector a sequence of the
            states there, at the top of the network's final output (after its last normalisation): the mean
            over tokens, the first, the last.
    """

    depth: int
    reduction: Reduction = "tokens"


@dataclass(frozen=True)
class HeadSpec:
    """What a task needs on top: the transformers class, how many outputs, their names.

    Attributes:
        peft_type: peft's name for this kind of network.
        is_language_model: the outputs are the pre-trained ones over the vocabulary; nothing on top is new.
        is_per_token: outputs (B, T, C), one a token, instead of (B, C).
        is_vector: the output is the pooled vector itself, (B, H); `num_labels` counts nothing.
    """

    auto_class: str
    num_labels: int
    problem_type: str
    labels: tuple[str, ...]
    peft_type: str = "SEQ_CLS"
    is_per_token: bool = False
    is_language_model: bool = False
    is_vector: bool = False


class Backbone(ABC):
    """A pre-trained model with its tokenizer. `model` is the whole network with its head."""

    model: nn.Module
    tokenizer: Any
    identifier: str
    digest: str
    depth: int
    width: int
    max_length: int
    pad_id: int
    device: str
    storage: str = ""  # what the frozen part is stored by, where that changes what it computes
    changed_below: str = ""
    """Digest of what training has changed below the cut; "" while that is as it was pre-trained."""

    @abstractmethod
    def layers(self) -> Sequence[nn.Module]:
        """The `depth` layers, bottom first."""

    @abstractmethod
    def head_modules(self) -> list[str]:
        """Names in `model` of what lies above the last layer and is new or task-specific: head and pooler."""

    @abstractmethod
    def below(self, batch: Batch, taps: Sequence[Tap]) -> Mapping[Tap, torch.Tensor]:
        """Activations at `taps`: (B, T, H) for `tokens`, else (B, H). No gradient is recorded."""

    @abstractmethod
    def above(self, hidden: torch.Tensor, batch: Batch, tap: Tap) -> torch.Tensor:
        """Logits (B, C) from the activations at one tap: (B, T, H) for `tokens`, else (B, H)."""

    @abstractmethod
    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits (B, C) of the whole network."""

    @abstractmethod
    def freeze_below(self, depth: int) -> None:
        """Nothing below `depth` requires a gradient; what lies above does."""

    @abstractmethod
    def set_training(self, cut: int) -> None:
        """Dropout on above the cut and off below it."""
