"""The top layer, for the first token alone where a head reads nothing else of it.

A head of BERT's kind reads one state of the last layer. What that layer does behind its attention it does
for each token by itself: three quarters of its products are for states that nobody looks at. Where in the
layer the others can be left out is found by trying it on two short texts, never from a table of names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from lightune.backbones.cut import entered_at, has_hooks, of_this_thread, run_below
from lightune.backbones.heads import Headed

if TYPE_CHECKING:
    import torch
    from torch import nn

    from lightune.backbones.structure import Structure
    from lightune.backbones.transformer import Transformer
    from lightune.core.tokens import Batch

TOLERANCE = 1e-3  # of the distance between the two texts' outputs: far above rounding, far below a token
_open: list[tuple[nn.Module, str, int]] = []  # what `first_alone` holds


def first_alone_from(
    model: nn.Module, structure: Structure, inputs: dict[str, torch.Tensor], read: Callable[[Any], Any]
) -> str:
    """Name of the module in the last layer from which the first token does for all; "" where none does.

    Of several, the one that leaves the linear maps the least to do. The head must not be at zero yet: every
    output would be the same.

    Args:
        inputs: keyword arguments of `model`: (2, T) of two texts.
        read: from what `model` gives back to logits (2, C).
    """
    import torch

    if structure.is_shared or structure.is_encoder_decoder:
        return ""
    depth = structure.depth - 1
    top = f"{structure.layers_path}.{depth}"
    num_tokens = inputs["input_ids"].shape[1]
    was_training = model.training
    model.eval()

    def run() -> tuple[Any, list[tuple[str, int]]]:
        with entered_at(model, structure, depth, below), _noting(model, top) as seen:
            return read(model(**inputs)), seen

    def cost(name: str, *, is_output: bool = False) -> float:
        """Numbers that linear maps read; infinite where the logits are others."""
        try:
            with first_alone(model, name, num_tokens, is_output=is_output):
                found, seen = run()
        except (TypeError, IndexError, RuntimeError, AttributeError, ValueError):
            return math.inf
        is_equal = found.shape == whole.shape and (found - whole).abs().max() <= TOLERANCE * apart
        return sum(size for _, size in seen) if is_equal else math.inf

    try:
        with torch.no_grad():
            below = run_below(model, structure, inputs, [depth])[depth]
            whole, seen = run()
            apart = (whole[0] - whole[1]).abs().max()
            if not apart > 0 or cost(top, is_output=True) == math.inf:  # the head reads more than that
                return ""
            costs = {name: cost(name) for name in dict.fromkeys(name for name, _ in seen)}
    finally:
        model.train(was_training)
    best = min(costs, key=lambda name: costs[name])
    return best if costs[best] < sum(size for _, size in seen) else ""


def first_where_enough(backbone: Transformer, batch: Batch) -> AbstractContextManager[None]:
    """While open, the top layer goes on with the first token alone, where that is enough.

    It is not where a prompt comes first, where the head reads several depths, and where a hook sits in the
    layer, which may want the states of all tokens.
    """
    model = backbone.model
    if not backbone.first_from or backbone.whole is not model:
        return nullcontext()
    reads_depths = isinstance(model, Headed) and len(model.head.depths) > 0
    inside = backbone.layers()[-1].modules()
    if reads_depths or any(has_hooks(one) for one in inside):
        return nullcontext()
    return first_alone(model, backbone.first_from, batch.input_ids.shape[1])


@contextmanager
def first_alone(model: nn.Module, name: str, num_tokens: int, *, is_output: bool = False) -> Iterator[None]:
    """While open, the module `name` is given (or gives back) the first of `num_tokens` states alone."""

    def first(one: Any) -> Any:
        is_states = getattr(one, "ndim", 0) == 3 and one.shape[1] == num_tokens
        return one[:, :1] if is_states else one

    def before(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return tuple(first(one) for one in given), {key: first(one) for key, one in named.items()}

    def after(_: nn.Module, __: object, output: Any) -> Any:
        return tuple(first(one) for one in output) if isinstance(output, tuple) else first(output)

    module = model.get_submodule(name)
    if is_output:
        handle = module.register_forward_hook(of_this_thread(after))
    else:
        handle = module.register_forward_pre_hook(of_this_thread(before), with_kwargs=True)
    _open.append((model, name, num_tokens))
    try:
        yield
    finally:
        handle.remove()
        _open.pop()


def as_now() -> Callable[[], AbstractContextManager[object]]:
    """What opens again whatever `first_alone` holds open here and now, for a layer that runs twice."""
    held = list(_open)

    def again() -> AbstractContextManager[object]:
        stack = ExitStack()
        for model, name, num_tokens in held:
            stack.enter_context(first_alone(model, name, num_tokens))
        return stack

    return again


@contextmanager
def _noting(model: nn.Module, top: str) -> Iterator[list[tuple[str, int]]]:
    """The modules inside the layer `top` as they run, each with how many numbers it reads as a linear map."""
    from torch import nn

    found: list[tuple[str, int]] = []

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: tuple[Any, ...]) -> None:
            found.append((name, given[0].numel() if given and isinstance(module, nn.Linear) else 0))

        return hook

    inside = [(name, one) for name, one in model.named_modules() if name.startswith(f"{top}.")]
    handles = [one.register_forward_pre_hook(note(name)) for name, one in inside]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
