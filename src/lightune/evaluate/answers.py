"""Exact match and F1 of answers, as SQuAD defines them (Rajpurkar et al. 2016; 2018)."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
MARKS = str.maketrans("", "", string.punctuation)
CJK = re.compile("([\u3040-\u30ff\u3400-\u9fff])")


def normalised(answer: str) -> str:
    """Lower case, without punctuation, articles and extra blanks; CJK characters stand alone."""
    plain = ARTICLES.sub(" ", answer.lower().translate(MARKS))
    return " ".join(CJK.sub(r" \1 ", plain).split())


def exact(said: str, gold: Sequence[str]) -> float:
    """1.0 where the answer equals one of `gold`; with no gold answers, where nothing is said."""
    return max(float(normalised(said) == normalised(one)) for one in _that_count(gold))


def f1(said: str, gold: Sequence[str]) -> float:
    """The best word-overlap F1 against `gold`; no answer counts as a word of its own."""
    return max(_f1(said, one) for one in _that_count(gold))


def _that_count(gold: Sequence[str]) -> Sequence[str]:
    """The gold answers with words in them; "" alone where there are none: no answer is the right one."""
    return [one for one in gold if normalised(one)] or [""]


def _f1(said: str, gold: str) -> float:
    words, wanted = normalised(said).split(), normalised(gold).split()
    if not words or not wanted:
        return float(words == wanted)
    shared = sum((Counter(words) & Counter(wanted)).values())
    return 2 * shared / (len(words) + len(wanted)) if shared else 0.0
