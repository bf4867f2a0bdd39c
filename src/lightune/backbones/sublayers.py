"""Where a layer's parts write: found from the values of one probing pass, never from a table of names.

Every part of a layer (attention, feed-forward) reads the residual stream s and adds its branch h to it. A
module whose output h gives s + h where the next part reads is thus the writer. Behind the sum there may stand
a normalisation whose output is the new stream (BERT), or the sum itself goes on (GPT-2, Llama, T5).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import torch
from torch import nn

Role = Literal["attention", "cross", "feed_forward"]


@dataclass(frozen=True)
class Sublayer:
    """A part of a layer, by names of modules inside the whole network.

    Attributes:
        layer: the layer it belongs to.
        writer: gives the branch h, the last module before h is added.
        source: its first input is the stream s, as this part reads it.
        norm: turns s + h into the new stream; None where the sum itself goes on.
    """

    layer: str
    role: Role
    writer: str
    source: str
    norm: str | None


@dataclass(frozen=True)
class _Call:
    """What a module was given and gave back, and whether it has modules inside."""

    name: str
    given: torch.Tensor | None
    output: torch.Tensor | None
    is_leaf: bool


@dataclass(frozen=True)
class _Stream:
    """A possible residual stream, and the normalisation that it came out of."""

    value: torch.Tensor
    norm: str | None


def find_sublayers(model: nn.Module, layers: Sequence[str], probe: dict[str, torch.Tensor]) -> list[Sublayer]:
    """The parts of those of `layers` that run on `probe` (a tiny batch), in order; a shared layer's once."""
    found: list[Sublayer] = []
    for layer, (entering, calls, leaving) in _record(model, layers, probe).items():
        found += _parts(layer, entering, calls, leaving)
    return found


def first_tensor(given: tuple[Any, ...], named: dict[str, Any]) -> torch.Tensor | None:
    """The first tensor that a module is called with."""
    return next((one for one in (*given, *named.values()) if isinstance(one, torch.Tensor)), None)


def _record(
    model: nn.Module, layers: Sequence[str], probe: dict[str, torch.Tensor]
) -> dict[str, tuple[torch.Tensor, list[_Call], torch.Tensor]]:
    """Layer -> (what entered, calls of its modules in the order they ended, what left), for its first run."""
    entered: dict[str, torch.Tensor] = {}
    calls: dict[str, list[_Call]] = {name: [] for name in layers}
    left: dict[str, torch.Tensor] = {}

    def enter(layer: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            hidden = first_tensor(given, named)
            if hidden is not None:
                entered.setdefault(layer, hidden.clone())

        return hook

    def leave(layer: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, given: object, output: Any) -> None:
            left.setdefault(layer, (output[0] if isinstance(output, tuple) else output).clone())

        return hook

    def note(layer: str, name: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
            if layer not in left:
                read = first_tensor(given, named)
                kept = output.clone() if isinstance(output, torch.Tensor) else None
                is_leaf = next(module.children(), None) is None
                calls[layer].append(_Call(name, None if read is None else read.clone(), kept, is_leaf))

        return hook

    was_training = model.training
    with ExitStack() as hooks:
        for layer in layers:
            whole = model.get_submodule(layer)
            hooks.callback(whole.register_forward_pre_hook(enter(layer), with_kwargs=True).remove)
            hooks.callback(whole.register_forward_hook(leave(layer)).remove)
            for name, module in whole.named_modules(prefix=layer):
                if module is not whole:
                    handle = module.register_forward_hook(note(layer, name), with_kwargs=True)
                    hooks.callback(handle.remove)
        hooks.callback(model.train, was_training)
        model.eval()
        with torch.no_grad():
            model(**probe)
    return {layer: (entered[layer], calls[layer], left[layer]) for layer in layers if layer in left}


def _parts(layer: str, entering: torch.Tensor, calls: list[_Call], leaving: torch.Tensor) -> list[Sublayer]:
    """Walk through the calls; wherever a module reads stream + branch, a part has ended."""
    parts: list[tuple[str, str]] = []  # writer and source
    norms: list[str | None] = []
    streams, pending = [_Stream(entering, None)], list[_Call]()
    for call in calls:
        hit = _ending(call.given, streams, pending) if call.is_leaf else None
        if hit is not None and call.given is not None:
            _end(parts, norms, hit, calls)
            streams, pending = [_Stream(call.given, None)], []
            if call.output is not None and call.output.shape == call.given.shape:
                streams.append(_Stream(call.output, call.name))
        if call.output is not None and sum(one.name == call.name for one in calls) == 1:
            pending.append(call)
    normed = next((one.norm for one in streams if one.norm and _same(one.value, leaving)), None)
    hit = _ending(leaving, streams, pending)
    if normed is not None and norms:
        norms[-1] = normed
    elif hit is not None:
        _end(parts, norms, hit, calls)
    return [
        Sublayer(layer, _role(place, len(parts)), writer, source, norm)
        for place, ((writer, source), norm) in enumerate(zip(parts, norms, strict=True))
    ]


def _end(
    parts: list[tuple[str, str]],
    norms: list[str | None],
    hit: tuple[list[str], _Stream],
    calls: list[_Call],
) -> None:
    """Note the parts that have ended, and what the one before them turned out to be followed by."""
    writers, stream = hit
    if norms:
        norms[-1] = stream.norm
    readers = [one.name for one in calls if one.is_leaf and one.given is not None]
    given = {one.name: one.given for one in calls}
    reader = next(name for name in readers if _same(given[name], stream.value))  # type: ignore[arg-type]
    parts += [(writer, reader) for writer in writers]
    norms += [None] * len(writers)


def _ending(
    value: torch.Tensor | None, streams: list[_Stream], pending: list[_Call]
) -> tuple[list[str], _Stream] | None:
    """(the writers, the stream) whose sum is `value`: one branch, or two that ran side by side (GPT-NeoX)."""
    if value is None:
        return None
    branches = [one for one in pending if one.output is not None and one.output.shape == value.shape]
    for stream in streams:
        if stream.value.shape != value.shape or _same(stream.value, value):
            continue
        for one in reversed(branches):
            if _same(stream.value + one.output, value):  # type: ignore[operator]
                return [one.name], stream
        for one, other in combinations(reversed(branches), 2):
            if _same(stream.value + one.output + other.output, value):  # type: ignore[operator]
                return [other.name, one.name], stream
    return None


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-4, atol=1e-6)


def _role(place: int, number: int) -> Role:
    """The last part is the feed-forward, the first the attention; what lies between reads an encoder."""
    if place == number - 1:
        return "feed_forward"
    return "attention" if place == 0 else "cross"
