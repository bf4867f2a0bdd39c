"""One label for a pair of texts (paraphrase, entailment: MRPC, RTE, QQP): both in one sequence.

Devlin et al. 2019, section 4: the two texts are joined by the model's separator and classified together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightune.tasks.classify import Classify, looks_like_classes

if TYPE_CHECKING:
    from lightune.data.profile import LabelProfile


class Pair(Classify):
    """One label for every pair of texts."""

    name = "pair"
    summary = "one label for a pair of texts"
    least_texts = 2

    @classmethod
    def recognises(cls, profile: LabelProfile, num_texts: int) -> str:
        """Few distinct labels, two texts."""
        if num_texts == 2 and looks_like_classes(profile):
            return f"two text columns and {len(profile.distinct)} distinct labels"
        return ""
