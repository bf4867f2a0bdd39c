"""Masked language models: hidden tokens of blocks are predicted from what stands on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from lightune.backbones.precision import Precision, computing
from lightune.core.randomness import generator
from lightune.pretraining.causal import backward
from lightune.pretraining.loop import Learner
from lightune.pretraining.masking import IGNORED, Masking
from lightune.pretraining.stream import Blocks, Ids

TOKENS_AT_ONCE = 8192
HIDING, MEASURING = 31, 37  # purposes of the random stream


@dataclass(frozen=True)
class MaskedNetwork:
    """A BERT-like network with its masked head, and the tokens that stand around a text."""

    network: nn.Module
    start_id: int
    end_id: int
    precision: Precision = "float32"

    def body(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(B, T) ids, (B, T) attention mask where some are padding -> (B, T, H)."""
        known: Any = self.network
        with computing(self.precision, str(ids.device)):
            return known.base_model(input_ids=ids, attention_mask=mask).last_hidden_state  # type: ignore[no-any-return]

    def output(self, hidden: torch.Tensor) -> torch.Tensor:
        """(N, H) -> (N, V) logits in float32."""
        known: Any = self.network
        head = known.cls if hasattr(known, "cls") else known.lm_head
        with computing(self.precision, str(hidden.device)):
            return head(hidden).float()  # type: ignore[no-any-return]

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return next(self.network.parameters()).device

    def around(self, ids: Ids) -> Ids:
        """(B, T) -> (B, T + 2): the tokens that a text stands between."""
        rows = len(ids)
        start, end = np.full((rows, 1), self.start_id), np.full((rows, 1), self.end_id)
        return np.concatenate([start, ids, end], axis=1)


class MaskedLearner(Learner):
    """A masked language model on blocks of a stream, other tokens hidden at every step."""

    def __init__(
        self, masked: MaskedNetwork, blocks: Blocks, masking: Masking, held_out: HeldOutBlocks
    ) -> None:
        self.masked, self.blocks, self.masking, self.held_out = masked, blocks, masking, held_out
        self.network = masked.network
        self.steps_an_epoch = blocks.steps_an_epoch
        self.tokens_a_step = blocks.length * min(blocks.rows, blocks.num_blocks)

    def descend(self, step: int) -> float:
        """Mean cross-entropy of the hidden tokens; only their places go through the head."""
        random = generator(self.blocks.seed, HIDING, step)
        ids = self.masked.around(self.blocks.step(step))
        inputs, targets = self.masking.hide(ids, random)
        if not (targets != IGNORED).any():
            return 0.0
        hidden, wanted = hidden_places(self.masked, inputs, targets)
        return backward(hidden, self.masked.output, wanted)

    def measure(self) -> float:
        """Bits per byte of held-out text, estimated from a share of hidden tokens."""
        return self.held_out.bits_per_byte(self.masked, self.masking)

    def show(self) -> str:
        """What it puts in the place of some hidden words."""
        return self.held_out.fill_in(self.masked, self.masking)


def hidden_places(masked: MaskedNetwork, inputs: Ids, targets: Ids) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, H) states and (N,) targets of the places that are asked for."""
    wanted = torch.from_numpy(targets).to(masked.device)
    places = wanted != IGNORED
    hidden = masked.body(torch.from_numpy(inputs).to(masked.device))
    return hidden[places], wanted[places]


@dataclass(frozen=True)
class HeldOutBlocks:
    """Held-out blocks (B, T) of a stream with `bytes_a_token`, and how they are read aloud."""

    ids: Ids
    bytes_a_token: float
    tokenizer: Any
    seed: int

    @torch.no_grad()
    def bits_per_byte(self, masked: MaskedNetwork, masking: Masking) -> float:
        """The same tokens are hidden at every measurement."""
        total, number = 0.0, 0
        size = max(1, TOKENS_AT_ONCE // self.ids.shape[1])
        for start in range(0, len(self.ids), size):
            random = generator(self.seed, MEASURING, start)
            inputs, targets = masking.hide(masked.around(self.ids[start : start + size]), random)
            hidden, wanted = hidden_places(masked, inputs, targets)
            for piece, ids in zip(torch.split(hidden, 512), torch.split(wanted, 512), strict=True):
                total += float(nn.functional.cross_entropy(masked.output(piece), ids, reduction="sum"))
                number += len(ids)
        return total / max(number, 1) / float(np.log(2)) / self.bytes_a_token

    @torch.no_grad()
    def fill_in(self, masked: MaskedNetwork, masking: Masking) -> str:
        """A held-out piece with hidden words as `[right -> likeliest]`."""
        ids = masked.around(self.ids[:1, :48])
        inputs, targets = masking.hide(ids, generator(self.seed, MEASURING))
        guessed = masked.output(masked.body(torch.from_numpy(inputs).to(masked.device))[0]).argmax(-1)
        parts: list[str] = []
        seen: list[int] = []
        for place in range(1, ids.shape[1] - 1):
            if targets[0, place] == IGNORED:
                seen.append(int(ids[0, place]))
                continue
            right, guess = (
                self.tokenizer.decode([int(one)]).strip() for one in (ids[0, place], guessed[place])
            )
            parts += [self.tokenizer.decode(seen).strip(), f"[{right} → {guess}]"]
            seen = []
        parts.append(self.tokenizer.decode(seen).strip())
        return " ".join(part for part in parts if part)
