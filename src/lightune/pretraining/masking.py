"""Masked language modelling: which tokens are hidden, and what stands in their place (Devlin et al. 2019).

Dynamic: another choice every time a text is read (Liu et al. 2019, arXiv:1907.11692). Whole words: all tokens
of a word are hidden, or none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightune.pretraining.stream import Ids
from lightune.pretraining.vocabulary import Vocabulary

IGNORED = -100  # the target of a place that is not asked for, as in torch and transformers
SHOWN_AS_MASK, SHOWN_AS_OTHER = 0.8, 0.1  # the rest stays as it is


@dataclass(frozen=True)
class Masking:
    """How tokens are hidden.

    Attributes:
        share: of the words that are hidden.
        mask_id: what stands for a hidden token.
        continues: (V,) whether a token belongs to the word of the token before it.
        special: (V,) tokens that are never hidden, nor put in place of others.
    """

    share: float
    mask_id: int
    continues: NDArray[np.bool_]
    special: NDArray[np.bool_]

    def hide(self, ids: Ids, random: np.random.Generator) -> tuple[Ids, Ids]:
        """(inputs, targets), both (B, T); targets are `IGNORED` where nothing is hidden.

        Of the hidden tokens 80% are shown as the mask, 10% as another token, 10% as they are.
        """
        usual = ~self.special[ids]
        starts = ~self.continues[ids] | ~np.roll(usual, 1, axis=1)
        starts[:, 0] = True
        words = np.cumsum(starts, axis=1) - 1  # number of the word in its row
        drawn = random.random(ids.shape)
        chosen = np.take_along_axis(drawn, words, axis=1) < self.share
        chosen &= usual
        targets = np.where(chosen, ids, IGNORED)
        fate = random.random(ids.shape)
        others = self._others[random.integers(len(self._others), size=ids.shape)]
        inputs = np.where(chosen & (fate < SHOWN_AS_MASK), self.mask_id, ids)
        is_other = chosen & (fate >= SHOWN_AS_MASK) & (fate < SHOWN_AS_MASK + SHOWN_AS_OTHER)
        return np.where(is_other, others, inputs), targets

    @property
    def _others(self) -> Ids:
        return np.flatnonzero(~self.special)


def make_masking(vocabulary: Vocabulary, share: float, *, whole_words: bool) -> Masking:
    """The masking of a tokenizer with a mask token."""
    tokenizer = vocabulary.tokenizer
    special = np.zeros(vocabulary.size, dtype=bool)
    special[list(tokenizer.all_special_ids)] = True
    continues = vocabulary.continues_word() if whole_words else np.zeros(vocabulary.size, dtype=bool)
    return Masking(share, int(tokenizer.mask_token_id), continues, special)
