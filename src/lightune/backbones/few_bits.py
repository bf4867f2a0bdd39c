"""The frozen part in 4 or 8 bits a weight, by bitsandbytes, whose kernels run on processors and GPUs.

4 bits, for maps that widen (into the feed-forward part): NormalFloat in blocks of 64 with scales that are
quantised again (QLoRA, Dettmers et al. 2023, arXiv:2305.14314, section 3), multiplied in float32.
8 bits, for all others: one scale a row (LLM.int8(), Dettmers et al. 2022, arXiv:2208.07339), multiplied with
states that are rounded too, each by its own largest number: outliers are not looked for over the batch, since
what a text is answered would hang on the texts beside it. Rounding these maps to 4 bits would cost most of
what rounding all does (docs/log.md, 2026-11-29).
"""

from __future__ import annotations

from typing import Any

from lightune.core.errors import missing_extra

PACKING = 4  # counts up when something else is packed: activations are stored of one packing


def packing(wanted: Any, source: str, bits: int) -> Any:
    """Transformers' configuration of the packing: linear maps inside the layers, and nothing else.

    Of 4 bits, those that do not widen are left for `pack_rest`.

    Args:
        wanted: the transformers class that will load `source`.

    Raises:
        UserError: bitsandbytes is not installed.
    """
    import torch
    from transformers import BitsAndBytesConfig

    try:
        import bitsandbytes  # noqa: F401 - transformers imports it by name
    except ImportError:
        raise missing_extra("bitsandbytes", "bits") from None
    left = _left_out(wanted, source, only_widening=bits == 4)
    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=0.0, llm_int8_skip_modules=left)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
        llm_int8_skip_modules=left,
    )


def pack_rest(model: Any, bits: int) -> None:
    """Of 4 bits: the maps inside the layers that are not packed yet, in 8 bits.

    4 bits compute in float32 wherever the passes are: without gradients bitsandbytes would take bfloat16, and
    its kernel for processors with AVX-512 BF16 packs the weights anew and rounds the states.
    """
    from bitsandbytes.nn import Int8Params, Linear8bitLt
    from torch import nn

    if bits != 4:
        return
    layers = _layers(model)
    for name, module in list(model.named_modules()):
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
        elif type(module) is nn.Linear and name.startswith(layers):
            sizes = module.in_features, module.out_features
            packed = Linear8bitLt(*sizes, bias=False, has_fp16_weights=False, threshold=0.0)
            packed.bias = module.bias
            weight = Int8Params(module.weight.data, requires_grad=False, has_fp16_weights=False)
            packed.weight = weight.to(module.weight.device)  # rounds
            model.set_submodule(name, packed.train(module.training))
    model.is_loaded_in_8bit = True  # peft asks this before it takes its own maps of 8 bits


def _layers(model: Any) -> tuple[str, ...]:
    """How the names of all that is in a layer begin."""
    from torch import nn

    return tuple(
        f"{name}.{number}."
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
        for number in range(len(module))
    )


def _left_out(wanted: Any, source: str, *, only_widening: bool) -> list[str]:
    """Names of the linear maps that are in no layer (heads, poolers), and of those that do not widen."""
    import torch
    from torch import nn
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(source)
    with torch.device("meta"):
        model = wanted.from_config(config)
    layers = _layers(model)
    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    return [
        name
        for name, one in linear.items()
        if not name.startswith(layers) or (only_widening and one.in_features >= one.out_features)
    ]
