"""The frozen part in 4 or 8 bits a weight, by bitsandbytes, whose kernels run on processors and GPUs.

4 bits: NormalFloat in blocks of 64 with scales that are quantised again (QLoRA, Dettmers et al. 2023,
arXiv:2305.14314, section 3), multiplied in float32; maps that write what a layer adds stay as they are.
8 bits: one scale a row (LLM.int8(), Dettmers et al. 2022, arXiv:2208.07339), multiplied with states that are
rounded too.
"""

from __future__ import annotations

from typing import Any

from lightune.core.errors import missing_extra

PACKING = 3  # counts up when something else is packed: activations are stored of one packing


def packing(wanted: Any, source: str, bits: int) -> Any:
    """Transformers' configuration of the packing: linear maps inside the layers, and nothing else.

    Of 4 bits, those that narrow (the way back from the feed-forward part, keys and values of grouped
    queries) and the way out of the attention are left out: rounding them costs most of what rounding all does
    (docs/log.md, 2026-11-26).

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
    left = _left_out(wanted, source, keeps_fragile=bits == 4)
    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=left)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
        llm_int8_skip_modules=left,
    )


def keep_float32(model: Any) -> None:
    """Compute in float32 wherever the passes are: without gradients bitsandbytes would take bfloat16.

    Its kernel for processors with AVX-512 BF16 packs the weights anew and rounds the states.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _left_out(wanted: Any, source: str, *, keeps_fragile: bool) -> list[str]:
    """Names of the linear maps that are in no layer (heads, poolers), and of the fragile."""
    import torch
    from torch import nn
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(source)
    with torch.device("meta"):
        model = wanted.from_config(config)
    layers = [
        f"{name}.{number}."
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
        for number in range(len(module))
    ]
    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    left = [name for name in linear if not name.startswith(tuple(layers))]
    if keeps_fragile:
        left += [name for name, one in linear.items() if one.in_features > one.out_features]
        square = [name for name, one in linear.items() if one.in_features == one.out_features]
        for layer in layers:  # queries, keys and values are defined before the way out
            left += [name for name in square if name.startswith(layer)][-1:]
    return list(dict.fromkeys(left))
