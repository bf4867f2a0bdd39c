"""The cut: a network's own forward, stopped before layer k, or entered there with given hidden states.

No model code is restated. Below: a hook on layer k keeps its input and ends the pass. Above: the layers
under the cut are made to hand their input on for the length of one call, and a hook puts the hidden states
in at layer k.
Two kinds of layer need care: those that return tuples (DeBERTa, T5), and T5's first, which owns the position
bias of all: it is computed from the lengths alone, so that the pass above gets the same one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from lightune.backbones.structure import Structure, bias_owner

if TYPE_CHECKING:
    import torch
    from torch import nn


def of_this_thread(hook: Callable[..., Any]) -> Callable[..., Any]:
    """A hook that does nothing in passes of other threads, which may run at once (`streams.py`)."""
    mine = threading.get_ident()

    def mindful(*given: Any) -> Any:  # torch may call one that is being removed with fewer arguments
        return hook(*given) if threading.get_ident() == mine else None

    mindful.thread = mine  # type: ignore[attr-defined]
    return mindful


def has_hooks(module: nn.Module) -> bool:
    """Whether anybody listens to `module`, those aside who listen in other threads."""
    here = threading.get_ident()
    hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
    return any(getattr(hook, "thread", here) == here for hook in hooks)


class Stop(Exception):
    """Ends a pass once everything that was asked for has been seen: all of `kept`."""

    def __init__(self, kept: dict[int, torch.Tensor]) -> None:
        super().__init__()
        self.kept = kept


@contextmanager
def ended_by(kept: dict[int, torch.Tensor]) -> Iterator[None]:
    """Catch the end of the pass that fills `kept`, and of no other: one may be looked at from outside."""
    try:
        yield
    except Stop as stop:
        if stop.kept is not kept:
            raise


def run_below(
    model: nn.Module, structure: Structure, inputs: dict[str, Any], depths: Sequence[int]
) -> dict[int, torch.Tensor]:
    """Hidden states (B, T, H) at each of `depths`; layers above the highest one do not run."""
    kept: dict[int, torch.Tensor] = {}
    with keeping(model, structure, depths, kept, stops=True), ended_by(kept):
        model(**inputs)
    return kept


@contextmanager
def keeping(
    model: nn.Module,
    structure: Structure,
    depths: Sequence[int],
    kept: dict[int, torch.Tensor],
    *,
    stops: bool = False,
) -> Iterator[None]:
    """While open, a forward of `model` puts its hidden states (B, T, H) at `depths` into `kept`.

    `stops`: the pass ends, by an exception that `run_below` knows, once the highest has been seen.
    """
    layers = model.get_submodule(structure.layers_path)
    highest = max(depths, default=-1)

    def keep_input(index: int):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            kept.setdefault(index, given[0] if given else named["hidden_states"])
            if stops and index == highest:
                raise Stop(kept)

        return hook

    def keep_output(module: nn.Module, given: object, output: Any) -> None:
        kept[structure.depth] = output[0] if isinstance(output, tuple) else output
        # A shared layer is run many times: its last output counts, so that the pass goes on to its end.
        if stops and not structure.is_shared:
            raise Stop(kept)

    with ExitStack() as hooks:
        for index in depths:
            if index == structure.depth:
                handle = layers[-1].register_forward_hook(of_this_thread(keep_output))  # type: ignore[index]
            else:
                hook = of_this_thread(keep_input(index))
                handle = layers[index].register_forward_pre_hook(hook, with_kwargs=True)  # type: ignore[index]
            hooks.callback(handle.remove)
        yield


@contextmanager
def entered_at(model: nn.Module, structure: Structure, depth: int, hidden: torch.Tensor) -> Iterator[None]:
    """While open, a forward of `model` enters at `depth` with `hidden` (B, T, H)."""
    layers: Any = model.get_submodule(structure.layers_path)
    skipped = list(layers[:depth])
    is_pending = True

    def put(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        nonlocal is_pending
        if not is_pending:
            return None
        is_pending = False
        if given:
            return (hidden, *given[1:]), named
        return given, {**named, "hidden_states": hidden}

    with ExitStack() as changes:
        for layer in skipped:
            layer.forward = _hand_on(layer, structure, hidden if depth == structure.depth else None)
            changes.callback(layer.__dict__.pop, "forward")
        if depth < structure.depth:
            changes.callback(layers[depth].register_forward_pre_hook(put, with_kwargs=True).remove)
        yield


def _hand_on(layer: nn.Module, structure: Structure, hidden: torch.Tensor | None) -> Any:
    """A forward that returns its input (or `hidden`) in the shape that the layer's own would."""
    owner: Any = bias_owner(layer) if structure.carries_bias else None

    def forward(*given: Any, **named: Any) -> Any:
        entering = given[0] if given else named["hidden_states"]
        output = entering if hidden is None else hidden
        if structure.output_size == 0:
            return output
        rest: list[Any] = [None] * (structure.output_size - 1)
        if owner is not None:
            rest[0] = owner.compute_bias(entering.shape[1], entering.shape[1])
        elif structure.carries_bias:
            rest[0] = given[2]  # a later layer of T5 hands on the bias it was given
        return (output, *rest)

    return forward
