"""Masked transformers: each token predicted from all others (Salazar et al. 2020, arXiv:1910.14659)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from lightune.core.errors import UserError
from lightune.history.language.base import FloatArray, LanguageModel, Lesson, Scored

BATCH_TOKENS = 4096


class Masked(LanguageModel):
    """A network of `AutoModelForMaskedLM` and its tokenizer; the scores are pseudo-log-likelihoods."""

    summary = "a masked transformer"
    paper = "Devlin et al. 2019, arXiv:1810.04805"
    is_pseudo = True
    can_write = False

    def __init__(self, network: Any, tokenizer: Any) -> None:
        self.network = network.eval()
        self.tokenizer = tokenizer

    @classmethod
    def train(cls, lesson: Lesson) -> Self:
        """Not here: kinds that train have files of their own."""
        raise UserError("this model is not trained by `lightune pretrain`")

    def save(self, folder: Path) -> None:
        """A plain transformers folder."""
        from lightune.backbones.loading import quiet_transformers

        with quiet_transformers():
            self.network.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a transformers folder."""
        from transformers import AutoModelForMaskedLM, AutoTokenizer

        from lightune.backbones.loading import quiet_transformers

        with quiet_transformers():
            network = AutoModelForMaskedLM.from_pretrained(str(folder), dtype="float32")
        return cls(network, AutoTokenizer.from_pretrained(str(folder)))

    def describe(self) -> dict[str, Any]:
        """Parameters and vocabulary."""
        return {"parameters": self.network.num_parameters(), "vocabulary": len(self.vocabulary)}

    @property
    def vocabulary(self) -> Sequence[str]:
        """The tokens by number."""
        size = int(self.network.config.vocab_size)
        names = [""] * size
        for token, number in self.tokenizer.get_vocab().items():
            if number < size:
                names[number] = token
        return names

    @property
    def window(self) -> int:
        """The most tokens read at once, special ones included."""
        known = getattr(self.network.config, "max_position_embeddings", 512) or 512
        return int(min(known, self.tokenizer.model_max_length, 512))

    def score(self, text: str) -> Scored:
        """The pseudo-log-likelihood: every token masked in turn; long texts in pieces that do not overlap."""
        read = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        numbers, pieces, last = list(read["input_ids"]), list[str](), 0
        for _, end in read["offset_mapping"]:
            pieces.append(text[last : max(end, last)])
            last = max(end, last)
        room = self.window - sum(map(len, self._frame()))
        parts = [self._part(numbers[start : start + room]) for start in range(0, len(numbers), room)]
        scores = np.concatenate(parts) if parts else np.zeros(0)
        return Scored(tuple(pieces), scores, len(text.encode("utf-8")))

    def distribution(self, prefix: str) -> FloatArray:
        """(V,) what stands behind `prefix`, as the last token of the text."""
        import torch

        numbers = self.tokenizer(prefix, add_special_tokens=False)["input_ids"]
        before, after = self._frame()
        numbers = [*before, *numbers[-(self.window - len(before) - len(after) - 1) :]]
        known, place = torch.tensor([[*numbers, self.tokenizer.mask_token_id, *after]]), len(numbers)
        with torch.no_grad():
            shares: FloatArray = self.network(known).logits[0, place].double().softmax(0).numpy()
        return shares

    def _frame(self) -> tuple[list[int], list[int]]:
        """The special tokens that go before and after a text."""
        bare = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        whole = self.tokenizer("a")["input_ids"]
        place = next(start for start in range(len(whole)) if whole[start : start + len(bare)] == bare)
        return whole[:place], whole[place + len(bare) :]

    def _part(self, numbers: Sequence[int]) -> FloatArray:
        """Natural logs of P(token | all others of this piece): (T,)."""
        import torch

        before, after = self._frame()
        whole = torch.tensor([*before, *numbers, *after])
        places = torch.arange(len(before), len(before) + len(numbers))
        rows = whole.repeat(len(numbers), 1)
        rows[torch.arange(len(numbers)), places] = self.tokenizer.mask_token_id
        found, size = [], max(1, BATCH_TOKENS // len(whole))
        with torch.no_grad():
            for start in range(0, len(numbers), size):
                where = places[start : start + size]
                logits = self.network(rows[start : start + size]).logits[torch.arange(len(where)), where]
                found.append(logits.log_softmax(-1).gather(1, whole[where][:, None])[:, 0])
        scores: FloatArray = torch.cat(found).double().numpy()
        return scores
