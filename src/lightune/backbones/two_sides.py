"""An encoder that reads a text and a decoder that writes another: both sides of an example in one sequence.

A sequence of `Tokens` is the source, then the decoder's input (its start token, then the target without its
last token). `types` is 0 on the source and 1 behind it; `units` hold the token to be written next, -1 on the
source. So the source comes first, and what the encoder makes of it is stored like any other activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lightune.backbones.encode import Encoded, Limits
from lightune.core.tokens import Tokens

if TYPE_CHECKING:
    import torch

    from lightune.core.tokens import Batch


def encode_two_sides(
    tokenizer: Any, pairs: Sequence[tuple[str, str | None]], limits: Limits, start_id: int
) -> Encoded:
    """Tokens of (source, target) pairs, each side cut at the limit; no target: nothing is to be written."""
    ids: list[list[int]] = []
    types: list[list[int]] = []
    units: list[list[int]] = []
    num_long = lost = num_all = 0
    for source, target in pairs:
        sides = [source_ids(tokenizer, source), [] if target is None else target_ids(tokenizer, target)]
        cut = [_cut(side, limits.max_length, tokenizer) for side in sides]
        missing = sum(map(len, sides)) - sum(map(len, cut))
        num_long, lost, num_all = num_long + (missing > 0), lost + missing, num_all + sum(map(len, sides))
        read, wanted = cut
        behind = [start_id, *wanted[:-1]]
        ids.append(read + behind)
        types.append([0] * len(read) + [1] * len(behind))
        units.append([-1] * len(read) + (wanted or [-1]))
    tokens = Tokens.from_lists(ids, types, [1] * len(ids), units)
    return Encoded(tokens, num_long, num_long, lost, num_all)


def source_ids(tokenizer: Any, text: str) -> list[int]:
    """What the encoder reads, the end of text included."""
    return _ended(tokenizer, tokenizer(text, verbose=False)["input_ids"])


def target_ids(tokenizer: Any, text: str) -> list[int]:
    """What the decoder is to write, the end of text included; some models (Marian) spell it differently."""
    return _ended(tokenizer, tokenizer(text_target=text, verbose=False)["input_ids"])


def _ended(tokenizer: Any, ids: list[int]) -> list[int]:
    end = tokenizer.eos_token_id
    return ids if end is None or (ids and ids[-1] == end) else [*ids, end]


def _cut(ids: list[int], longest: int, tokenizer: Any) -> list[int]:
    if len(ids) <= longest:
        return ids
    end = tokenizer.eos_token_id
    return ids[:longest] if end is None else [*ids[: longest - 1], end]


def two_sided_inputs(batch: Batch, pad_id: int) -> dict[str, torch.Tensor]:
    """Keyword arguments for an encoder-decoder: input_ids, attention_mask (B, S) and decoder_... (B, D)."""
    import torch

    is_source, is_target = _sides(batch)
    mask = narrow(is_source, batch)
    counts = is_target.sum(1)
    places = torch.arange(int(counts.max()), device=counts.device)[None, :] < counts[:, None]
    behind = torch.full(places.shape, pad_id, dtype=batch.input_ids.dtype, device=counts.device)
    behind[places] = batch.input_ids[is_target]
    return {
        "input_ids": narrow(batch.input_ids, batch).masked_fill(~mask, pad_id),
        "attention_mask": mask.long(),
        "decoder_input_ids": behind,
        "decoder_attention_mask": places.long(),
    }


def written_places(batch: Batch, decoder_mask: torch.Tensor) -> torch.Tensor:
    """(B, D) where the decoder has something to write; all real places where the batch asks for nothing."""
    places = decoder_mask.bool()
    if batch.units is None:
        return places
    wanted = places.clone()
    wanted[places] = batch.units[_sides(batch)[1]] >= 0
    return wanted


def widen(hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
    """(B, S, H) of the sources -> (B, T, H) in the places of the batch, zeros behind each source."""
    is_source, _ = _sides(batch)
    found = hidden.new_zeros((*is_source.shape, hidden.shape[-1]))
    found[:, : hidden.shape[1]] = hidden
    return found * is_source[..., None]


def narrow(hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The reverse: (B, T, ...) -> (B, S, ...)."""
    return hidden[:, : int(_sides(batch)[0].sum(1).max())]


def _sides(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    assert batch.token_type_ids is not None
    is_real = batch.attention_mask.bool()
    is_behind = batch.token_type_ids.bool()
    return is_real & ~is_behind, is_real & is_behind
