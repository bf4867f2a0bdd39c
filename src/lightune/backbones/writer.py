"""New text from a model that writes, through transformers' own `generate`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightune.backbones.encode import Limits
from lightune.backbones.encode_chat import Turn, encode_chats
from lightune.backbones.two_sides import encode_two_sides, two_sided_inputs
from lightune.core.errors import UserError

if TYPE_CHECKING:
    from lightune.backbones.transformer import Transformer

BATCH = 8
DEFAULT_TOKENS = 128


@dataclass(frozen=True)
class Writing:
    """How to choose the next token: the likeliest (temperature 0), or drawn (top-p: Holtzman et al. 2020)."""

    max_new_tokens: int = DEFAULT_TOKENS
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    beams: int = 1  # how many beginnings are followed at once
    seed: int = 0

    def check(self) -> None:
        """Raise `UserError` where a value is out of range."""
        if self.max_new_tokens < 1:
            raise UserError("--max-new-tokens must be 1 or more")
        if self.beams < 1:
            raise UserError("--beams must be 1 or more")
        if self.temperature < 0 or self.top_k < 0 or not 0 < self.top_p <= 1:
            hint = "Temperature and top-k are 0 or more, top-p lies between 0 and 1."
            raise UserError("this way of drawing tokens makes no sense", hint=hint)


class Writer:
    """A backbone that answers chats."""

    def __init__(self, backbone: Transformer) -> None:
        self.backbone = backbone

    @property
    def reads_apart(self) -> bool:
        """Whether an encoder reads what the answer is made from: then `write_from`, else `write`."""
        return self.backbone.start_id is not None

    @torch.no_grad()
    def write_from(self, sources: Sequence[str], how: Writing | None = None) -> list[str]:
        """One text for every source, in order, by an encoder-decoder; sources too long lose their end."""
        how = how or Writing()
        torch.manual_seed(how.seed)
        limits = Limits(self.backbone.max_length, "truncate", 1)
        start = self.backbone.start_id
        assert start is not None
        tokens = encode_two_sides(
            self.backbone.tokenizer, [(source, None) for source in sources], limits, start
        ).tokens
        found = [""] * len(sources)
        order = np.argsort(tokens.lengths, kind="stable")
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            batch = tokens.batch(places, pad_id=self.backbone.pad_id, device=self.backbone.device)
            read = two_sided_inputs(batch, self.backbone.pad_id)
            known = {name: read[name] for name in ("input_ids", "attention_mask")}
            room = min(how.max_new_tokens, self.backbone.max_length - 1)
            written = self._generate(how, room, decoder_start_token_id=start, **known)
            for place, text in zip(places, self._texts(written), strict=True):
                found[place] = text
        return found

    @torch.no_grad()
    def write(self, chats: Sequence[Sequence[Turn]], how: Writing | None = None) -> list[str]:
        """One reply a chat, in order; prompts longer than the model takes lose their beginning."""
        how = how or Writing()
        torch.manual_seed(how.seed)
        room = self.backbone.max_length
        limits = Limits(max(room - how.max_new_tokens, room // 2), "truncate", 1)
        tokens = encode_chats(self.backbone.tokenizer, chats, limits).tokens
        order = np.argsort(tokens.lengths, kind="stable")
        found = [""] * len(chats)
        # Peft drops the positions that padding on the left shifts: with a prompt of its own, one at a time.
        size = BATCH if self.backbone.whole is self.backbone.model else 1
        for start in range(0, len(order), size):
            places = order[start : start + size]
            prompts = [tokens.ids[tokens.offsets[place] : tokens.offsets[place + 1]] for place in places]
            for place, text in zip(places, self._some(prompts, how), strict=True):
                found[place] = text
        return found

    def _some(self, prompts: list[NDArray[np.int32]], how: Writing) -> list[str]:
        longest = max(len(one) for one in prompts)
        ids = torch.full((len(prompts), longest), self.backbone.pad_id)
        mask = torch.zeros_like(ids)
        for row, one in enumerate(prompts):  # padded on the left, so that all end alike
            ids[row, longest - len(one) :] = torch.from_numpy(one.astype(np.int64))
            mask[row, longest - len(one) :] = 1
        ids, mask = ids.to(self.backbone.device), mask.to(self.backbone.device)
        room = min(how.max_new_tokens, self.backbone.max_length - longest)
        return self._texts(self._generate(how, room, input_ids=ids, attention_mask=mask)[:, longest:])

    def _generate(self, how: Writing, room: int, **inputs: Any) -> torch.Tensor:
        drawn = {"temperature": how.temperature, "top_k": how.top_k or 0, "top_p": how.top_p}
        model: Any = self.backbone.whole
        model.eval()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Position ids are not supported")
            written: torch.Tensor = model.generate(
                **inputs,
                max_new_tokens=max(1, room),
                num_beams=how.beams,
                do_sample=how.temperature > 0,
                pad_token_id=self.backbone.pad_id,
                use_cache=True,
                **(drawn if how.temperature > 0 else {}),
            )
        return written

    def _texts(self, ids: torch.Tensor) -> list[str]:
        return [text.strip() for text in self.backbone.tokenizer.batch_decode(ids, skip_special_tokens=True)]
