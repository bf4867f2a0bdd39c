"""Causal language models: next-token prediction on blocks of a stream, or on parts of it side by side.

A network is seen as two functions: its body, (B, T) ids -> (B, T, H) states, and its output, states -> logits
over the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from lightune.backbones.precision import Precision, computing
from lightune.backbones.recurrent import RecurrentForCausalLM, State
from lightune.core.randomness import generator
from lightune.pretraining.loop import Learner
from lightune.pretraining.stream import Blocks, Stream, lanes

LOGITS_AT_ONCE = 2**24  # numbers: 64 MB of float32
LANES = 29  # the purpose of the random stream


@dataclass(frozen=True)
class Watch:
    """How a network is looked at while it learns: bits per byte of held-out texts; a text that it writes."""

    measure: Callable[[], float]
    show: Callable[[], str]


@dataclass(frozen=True)
class CausalNetwork:
    """A causal network in two parts.

    Attributes:
        network: the whole; precision: that of its matrix products.
    """

    network: nn.Module
    precision: Precision = "float32"

    def body(self, ids: torch.Tensor) -> torch.Tensor:
        """(B, T) -> (B, T, H). Padding on the right needs no mask: no token sees what stands behind it."""
        known: Any = self.network
        with computing(self.precision, str(ids.device)):
            return known.base_model(input_ids=ids, use_cache=False).last_hidden_state  # type: ignore[no-any-return]

    def output(self, hidden: torch.Tensor) -> torch.Tensor:
        """(N, H) -> (N, V) logits in float32."""
        known: Any = self.network
        output = known.logits if isinstance(known, RecurrentForCausalLM) else known.get_output_embeddings()
        with computing(self.precision, str(hidden.device)):
            return output(hidden).float()

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return next(self.network.parameters()).device


def backward(
    states: torch.Tensor, output: Callable[[torch.Tensor], torch.Tensor], targets: torch.Tensor
) -> float:
    """Gradients of the mean cross-entropy of (N, H) states; returns it.

    The logits of a piece of the places are made, used and let go before the next, so that memory does not
    grow with places x vocabulary.
    """
    kept = states.detach().requires_grad_()
    num_tokens = kept.shape[0]
    with torch.no_grad():
        width = output(kept[:1]).shape[-1]
    size = max(1, LOGITS_AT_ONCE // width)
    total = 0.0
    for piece, wanted in zip(torch.split(kept, size), torch.split(targets, size), strict=True):
        loss = nn.functional.cross_entropy(output(piece), wanted, reduction="sum") / num_tokens
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    states.backward(kept.grad)  # type: ignore[no-untyped-call]
    return total


class BlockLearner(Learner):
    """A causal Transformer on shuffled blocks of a stream: no padding, texts of any length side by side."""

    def __init__(self, causal: CausalNetwork, blocks: Blocks, watch: Watch) -> None:
        self.causal, self.blocks, self.watch = causal, blocks, watch
        self.network = causal.network
        self.steps_an_epoch = blocks.steps_an_epoch
        self.tokens_a_step = blocks.length * min(blocks.rows, blocks.num_blocks)

    def descend(self, step: int) -> float:
        """Mean cross-entropy of each next token in the blocks of this step."""
        ids = torch.from_numpy(self.blocks.step(step, extra=1)).to(self.causal.device)
        hidden = self.causal.body(ids[:, :-1])
        return backward(hidden.flatten(0, 1), self.causal.output, ids[:, 1:].flatten())

    def measure(self) -> float:
        """Bits per byte of the held-out texts."""
        return self.watch.measure()

    def show(self) -> str:
        """A text."""
        return self.watch.show()


class LaneLearner(Learner):
    """A recurrent network on parts of a stream side by side: back-propagation through time, cut at each step.

    The state at the end of a step is where the next begins, without its gradient (Mikolov et al. 2010). Where
    the stream begins, another place every epoch, the state is zero.
    """

    def __init__(
        self, causal: CausalNetwork, stream: Stream, shape: tuple[int, int], watch: Watch, seed: int
    ) -> None:
        self.causal, self.stream, self.watch, self.seed = causal, stream, watch, seed
        self.network = causal.network
        self.rows, self.length = shape
        self.lane = lanes(stream, self.rows)
        self.steps_an_epoch = max(1, (self.lane - 1) // self.length)
        self.tokens_a_step = self.rows * self.length
        self.states: list[State] = []

    def descend(self, step: int) -> float:
        """Mean cross-entropy of each next token, the state carried on."""
        network: Any = self.network
        epoch, place = divmod(step, self.steps_an_epoch)
        if place == 0 or not self.states:
            self.states = network.model.first_states(self.rows)
        shift = int(generator(self.seed, LANES, epoch).integers(len(self.stream)))
        starts = [shift + row * self.lane + place * self.length for row in range(self.rows)]
        ids = np.stack([self.stream.take(start, self.length + 1) for start in starts])
        tensor = torch.from_numpy(ids).to(self.causal.device)
        hidden = network.model(tensor[:, :-1], states=self.states).last_hidden_state
        loss = backward(hidden.flatten(0, 1), self.causal.output, tensor[:, 1:].flatten())
        self.states = [tuple(one.detach() for one in state) for state in self.states]
        return loss

    def measure(self) -> float:
        """Bits per byte of the held-out texts."""
        return self.watch.measure()

    def show(self) -> str:
        """A text."""
        return self.watch.show()

    def carried(self) -> dict[str, torch.Tensor]:
        """The states of all layers."""
        parts = [
            (layer, part, one) for layer, state in enumerate(self.states) for part, one in enumerate(state)
        ]
        return {f"{layer}.{part}": one for layer, part, one in parts}

    def carry(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put states back."""
        layers = sorted({int(name.partition(".")[0]) for name in tensors})
        self.states = [
            tuple(tensors[name] for name in sorted(tensors) if name.startswith(f"{layer}."))
            for layer in layers
        ]
