"""Writing by encoder-decoders: loss, generation and the cut against transformers alone, on tiny networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightune.backbones.base import Tap
from lightune.backbones.encode import Limits
from lightune.backbones.transformer import Transformer
from lightune.backbones.two_sides import narrow
from lightune.backbones.writer import Writer, Writing
from lightune.core.rows import Row
from lightune.tasks.translate import Translate
from tests.tiny import ENCODER_DECODERS

PAIRS = [("the film was good", "a bad plot"), ("good", "the film was a bad one and the plot was good")]

Tiny = Callable[..., Path]


def opened(folder: Path) -> tuple[Transformer, Translate, Sequence[Any]]:
    task = Translate()
    backbone = Transformer.load(str(folder), task.head_spec(), head="standard", identifier="tiny", digest="0")
    backbone.model.eval()
    rows = [Row(place, {"en": en, "fr": fr}, "") for place, (en, fr) in enumerate(PAIRS)]
    return backbone, task, [task.row_to_example(row, ("en",), row.values["fr"]) for row in rows]


@pytest.mark.parametrize("kind", ENCODER_DECODERS)
def test_the_loss_is_that_of_transformers(kind: str, tiny: Tiny) -> None:
    """Mean negative log-likelihood of the target, pair by pair, by `labels` of the network's own forward."""
    backbone, task, examples = opened(tiny(kind))
    limits = Limits(64, "truncate", 1, start_id=backbone.start_id)
    tokens = task.encode(backbone.tokenizer, examples, limits).tokens
    batch = tokens.batch(np.arange(2), pad_id=backbone.pad_id)
    with torch.no_grad():
        losses = task.losses(backbone.forward(batch), batch, np.zeros(2))
        counts = [tokens.num_answers(np.array([number])) for number in (0, 1)]
        ours = [part.mean().item() for part in losses.split(counts)]
        theirs = []
        for source, target in PAIRS:
            given = backbone.tokenizer(source, text_target=target, return_tensors="pt")
            given.pop("token_type_ids", None)
            theirs.append(backbone.model(**given).loss.item())
    assert ours == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("kind", ENCODER_DECODERS)
@pytest.mark.parametrize("beams", [1, 3])
def test_writes_what_generate_writes(kind: str, beams: int, tiny: Tiny) -> None:
    backbone, task, examples = opened(tiny(kind))
    ours = [str(one.label) for one in task.generate(Writer(backbone), examples, how=Writing(12, beams=beams))]
    for (source, _), text in zip(PAIRS, ours, strict=True):
        given = backbone.tokenizer(source, return_tensors="pt")
        given.pop("token_type_ids", None)
        model: Any = backbone.model
        start = model.config.decoder_start_token_id
        ids = model.generate(
            **given, max_new_tokens=12, num_beams=beams, do_sample=False, decoder_start_token_id=start
        )
        assert backbone.tokenizer.decode(ids[0], skip_special_tokens=True).strip() == text


@pytest.mark.parametrize("kind", ENCODER_DECODERS)
def test_two_parts_are_the_whole(kind: str, tiny: Tiny) -> None:
    """At every depth of the encoder; what lies behind a source is stored as zeros."""
    backbone, task, examples = opened(tiny(kind, num_layers=2))
    limits = Limits(64, "truncate", 1, start_id=backbone.start_id)
    tokens = task.encode(backbone.tokenizer, examples, limits).tokens
    batch = tokens.batch(np.arange(2), pad_id=backbone.pad_id)
    with torch.no_grad():
        whole = backbone.forward(batch)
        for depth in (1, 2):
            tap = Tap(depth)
            hidden = backbone.below(batch, [tap])[tap]
            assert torch.allclose(backbone.above(hidden, batch, tap), whole, atol=1e-5)
            assert batch.token_type_ids is not None
            assert not hidden[batch.token_type_ids.bool()].any()
            assert narrow(hidden, batch).shape[1] < hidden.shape[1]
    assert backbone.verified_cut(2) == 2


def test_padding_changes_nothing(tiny: Tiny) -> None:
    """A pair alone and beside a longer one gives the same logits."""
    backbone, task, examples = opened(tiny("t5"))
    limits = Limits(64, "truncate", 1, start_id=backbone.start_id)
    tokens = task.encode(backbone.tokenizer, examples, limits).tokens
    alone = tokens.batch(np.array([0]), pad_id=backbone.pad_id)
    both = tokens.batch(np.arange(2), pad_id=backbone.pad_id)
    with torch.no_grad():
        one, two = backbone.forward(alone), backbone.forward(both)
    assert torch.allclose(one, two[: len(one)], atol=1e-5)


def test_long_sides_are_cut_and_counted(tiny: Tiny) -> None:
    backbone, task, examples = opened(tiny("t5"))
    encoded = task.encode(backbone.tokenizer, examples, Limits(4, "truncate", 1, start_id=backbone.start_id))
    assert encoded.num_cut == 2
    assert encoded.tokens.lengths.max() <= 8
    full = task.encode(backbone.tokenizer, examples, Limits(64, "truncate", 1, start_id=backbone.start_id))
    assert full.num_cut == 0
    assert encoded.lost_tokens == full.tokens.num_tokens - encoded.tokens.num_tokens > 0
