"""A layer that keeps its input alone, and runs again for the backward pass.

Chen et al. 2016, arXiv:1604.06174.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightune.backbones.first_token import as_now
from lightune.core.machine import return_freed


def run_again_later(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """`function` of what is given, nothing inside kept; takes the place of torch's own `checkpoint`.

    The backward pass lies outside of the contexts that chose how attention is computed (`attending`) and
    whether the top layer goes on with the first token alone, so that both are kept; autocast and random
    numbers are restored by torch.
    """
    from torch.nn.attention import sdpa_kernel
    from torch.utils.checkpoint import checkpoint

    kernels, narrowed = _attention_kernels(), as_now()

    def run(*inputs: Any, **options: Any) -> Any:
        return_freed()  # what the layer before has used
        with sdpa_kernel(kernels), narrowed():
            return function(*inputs, **options)

    return checkpoint(run, *given, use_reentrant=False, **named)


def _attention_kernels() -> list[Any]:
    """The kernels that attention may take here and now."""
    from torch.backends import cuda  # the flags hold for processors too
    from torch.nn.attention import SDPBackend

    allowed = {
        SDPBackend.FLASH_ATTENTION: cuda.flash_sdp_enabled(),  # type: ignore[no-untyped-call]
        SDPBackend.EFFICIENT_ATTENTION: cuda.mem_efficient_sdp_enabled(),  # type: ignore[no-untyped-call]
        SDPBackend.MATH: cuda.math_sdp_enabled(),  # type: ignore[no-untyped-call]
        SDPBackend.CUDNN_ATTENTION: cuda.cudnn_sdp_enabled(),  # type: ignore[no-untyped-call]
    }
    return [kernel for kernel, is_allowed in allowed.items() if is_allowed]
