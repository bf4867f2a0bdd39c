"""A network's shape, found from its modules and one probing pass, never from a table of names.

The layers are the longest outermost `ModuleList` (the encoder's, where there is an encoder and a decoder).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Structure:
    """Where the parts of a network are.

    Attributes:
        base: name of the pre-trained part inside the whole network ("" when it is the network).
        layers_path: name of the layer list inside the whole network.
        depth: number of entries of that list.
        is_shared: one entry is run several times (ALBERT), so that a cut inside is impossible.
        output_size: entries of the tuple a layer returns; 0 when it returns a tensor.
        carries_bias: the first layer computes a position bias that the later ones are handed (T5).
        heads: top-level modules outside the pre-trained part, and its pooler.
        after_layers: names of modules of the pre-trained part that first run behind the last layer.
        trainable_after: those of them that hold parameters which nothing below the last layer shares.
        is_encoder_decoder: an encoder with a decoder behind it; the layers are the encoder's.
    """

    base: str
    layers_path: str
    depth: int
    is_shared: bool
    output_size: int
    carries_bias: bool
    heads: tuple[str, ...]
    after_layers: tuple[str, ...]
    trainable_after: tuple[str, ...]
    is_encoder_decoder: bool


def find_base(model: nn.Module) -> tuple[str, nn.Module]:
    """The pre-trained part of a transformers model with a head, and its name."""
    prefix = getattr(model, "base_model_prefix", "")
    inner = getattr(model, prefix, None) if prefix else None
    if inner is None and hasattr(model, "transformer"):  # T5 for classification names it so
        prefix, inner = "transformer", model.transformer
    if inner is None or inner is model:
        return "", model
    return prefix, inner


def find_layers(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """The longest outermost ModuleList of `model`, and its name."""
    from torch import nn

    lists = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    outermost = [
        (name, module)
        for name, module in lists
        if not any(name.startswith(other + ".") for other, _ in lists)
    ]
    if not outermost:
        raise ValueError(f"{type(model).__name__} has no list of layers")
    return max(outermost, key=lambda pair: len(pair[1]))


def find_structure(model: nn.Module, probe: dict[str, torch.Tensor]) -> Structure:
    """Look at `model` and run `probe` (a tiny batch) through it once."""
    base_name, base = find_base(model)
    is_encoder_decoder = bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))
    searched = encoder_of(base) if is_encoder_decoder else base
    _, layers = find_layers(searched)
    layers_path = next(name for name, module in model.named_modules() if module is layers)
    calls, order, early = _probe(model, layers, probe)
    sizes = [size for index, size in calls if index == 0]
    later = [
        (name, module)
        for name, module in order
        if name.startswith(base_name) and not name.startswith(layers_path)
    ]
    trainable = tuple(
        name
        for name, module in later
        if (own := list(module.parameters(recurse=False))) and not any(id(one) in early for one in own)
    )
    heads = [name for name, child in model.named_children() if base_name and name != base_name]
    if not base_name:  # T5ForQuestionAnswering keeps its parts beside its head
        heads = [name for name, child in model.named_children() if type(child).__name__ == "Linear"]
    heads = [name for name in heads if any(True for _ in model.get_submodule(name).parameters())]
    if getattr(base, "pooler", None) is not None and base_name:
        heads.insert(0, f"{base_name}.pooler")
    return Structure(
        base=base_name,
        layers_path=layers_path,
        depth=len(layers),
        is_shared=len(calls) > len(layers),
        output_size=sizes[0],
        carries_bias=bias_owner(layers[0]) is not None,
        heads=tuple(heads),
        after_layers=tuple(name for name, _ in later),
        trainable_after=trainable,
        is_encoder_decoder=is_encoder_decoder,
    )


def encoder_of(base: nn.Module) -> nn.Module:
    """The encoder of an encoder-decoder."""
    known: Any = base
    found: nn.Module = known.get_encoder() if hasattr(base, "get_encoder") else known.encoder
    return found


def bias_owner(layer: nn.Module) -> nn.Module | None:
    """The attention inside `layer` that owns a relative position bias shared by all layers (T5), if any."""
    for module in layer.modules():
        if getattr(module, "has_relative_attention_bias", False) and hasattr(module, "compute_bias"):
            return module
    return None


def _probe(
    model: nn.Module, layers: nn.ModuleList, probe: dict[str, torch.Tensor]
) -> tuple[list[tuple[int, int]], list[tuple[str, nn.Module]], set[int]]:
    """What ran when.

    Returns:
        (layer, tuple size) of every layer call; the modules that first ran behind the last layer; the ids of
        the parameters that ran before.
    """
    import torch

    calls: list[tuple[int, int]] = []
    seen: set[int] = set()
    early: set[int] = set()
    later: list[tuple[str, nn.Module]] = []
    names = {id(module): name for name, module in model.named_modules()}
    is_done = False

    def after(index: int):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            nonlocal is_done
            calls.append((index, len(output) if isinstance(output, tuple) else 0))
            is_done = index == len(layers) - 1

        return hook

    def before(module: nn.Module, inputs: object) -> None:
        if is_done and id(module) not in seen:
            later.append((names[id(module)], module))
        elif not is_done:
            early.update(id(parameter) for parameter in module.parameters(recurse=False))
        seen.add(id(module))

    handles = [layer.register_forward_hook(after(index)) for index, layer in enumerate(layers)]
    handles += [module.register_forward_pre_hook(before) for module in model.modules()]
    was_training = model.training
    try:
        model.eval()
        with torch.inference_mode():
            model(**probe)
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    return calls, later, early
