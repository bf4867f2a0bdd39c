"""Tiny streams, networks and learners for the tests of pre-training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lightune.backbones.recurrent import RecurrentConfig, RecurrentForCausalLM
from lightune.core.progress import Show
from lightune.pretraining.causal import BlockLearner, CausalNetwork, LaneLearner, Watch
from lightune.pretraining.stream import Blocks, Stream, write_stream
from lightune.pretraining.vocabulary import Vocabulary
from tests.tiny import tiny_config
from tests.tiny_tokenizer import WORDS, tiny_tokenizer

QUIET = Show(is_quiet=True)
TEXTS = [" ".join(WORDS[start : start + 9]) for start in range(len(WORDS) - 9)]


def vocabulary(kind: str) -> Vocabulary:
    """The tiny tokenizer of an architecture."""
    return Vocabulary(tiny_tokenizer(kind))


def stream(folder: Path, kind: str = "gpt2") -> Stream:
    """`TEXTS` in tokens."""
    return write_stream(TEXTS, vocabulary(kind), folder / "stream", QUIET)


def causal(kind: str) -> Any:
    """A causal network of two layers: `gpt2`, `llama`, or a recurrent cell."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    if kind in ("lstm", "gru", "rnn"):
        size = vocabulary("gpt2").size
        return RecurrentForCausalLM(RecurrentConfig(size, 32, 2, kind, dropout=0.1))
    return AutoModelForCausalLM.from_config(tiny_config(kind, 2))


def learner(folder: Path, kind: str) -> BlockLearner | LaneLearner:
    """One that measures the loss of its first step as held-out figure."""
    network = CausalNetwork(causal(kind))

    def measure() -> float:
        with torch.no_grad():
            ids = torch.from_numpy(words.take(0, 33))[None]
            logits = network.output(network.body(ids[:, :-1])[0])
            return float(torch.nn.functional.cross_entropy(logits, ids[0, 1:]))

    watch = Watch(measure, lambda: "a text")
    words = stream(folder, "gpt2" if kind not in ("llama",) else kind)
    if kind in ("gpt2", "llama"):
        return BlockLearner(network, Blocks(words, 16, 4, seed=0), watch)
    return LaneLearner(network, words, (4, 16), watch, seed=0)
