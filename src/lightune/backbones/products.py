"""Float32 products of passes without gradients, by the quicker of the two libraries that torch carries.

Torch multiplies float32 by MKL where it is built with it, and MKL keeps to AVX2 on processors that are not
Intel's; oneDNN takes what the processor has. An AMD with AVX-512, 2 threads, 1,024 states of MiniLM: 225
GFLOP/s and 470. Which one is quicker is measured on the machine at hand, and remembered.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lightune.core.remembered import recall, remember

if TYPE_CHECKING:
    import torch

FASTER = 1.25  # oneDNN must win by so much
KIND = "products"  # of measurement
LEAST_STATES, LEAST_WIDTH = 128, 128
LEAST_WORK = 1 << 24  # multiplications: for fewer, copying the operands takes longer than is won
MOST_WEIGHTS = 1 << 24  # a vocabulary's are not copied for every pass
STATES, WIDTH, INNER, TRIES = 512, 384, 1536, 9  # of the product that is timed, 0.05 s in all


def pays(states: int, weight: torch.Tensor) -> bool:
    """Whether the copies that oneDNN needs are small beside the product of `weight` with so many states."""
    is_wide = weight.dim() == 2 and min(weight.shape) >= LEAST_WIDTH and weight.numel() <= MOST_WEIGHTS
    return is_wide and states >= LEAST_STATES and states * weight.numel() >= LEAST_WORK


def by_onednn(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """inputs: (..., I), weight: (O, I), bias: (O,) or None -> (..., O), as torch's `linear`; no gradient."""
    from torch.nn.functional import linear

    its_own = bias.to_mkldnn() if bias is not None else None
    return linear(inputs.to_mkldnn(), weight.to_mkldnn(), its_own).to_dense()


@contextlib.contextmanager
def quick_products(device: str) -> Iterator[None]:
    """Float32 passes without gradients inside are multiplied by oneDNN where that is quicker here."""
    if device != "cpu" or not is_onednn_quicker():
        yield
        return
    import torch
    from torch.nn.functional import linear
    from torch.overrides import TorchFunctionMode

    class Multiplying(TorchFunctionMode):
        """Sends `linear` the other way."""

        def __torch_function__(
            self, function: Any, types: Any, given: tuple[Any, ...] = (), named: Any = None
        ) -> Any:
            if function is linear and not named and not torch.is_grad_enabled():
                inputs, weight, *bias = given
                kinds = {one.dtype for one in given if one is not None}
                if kinds == {torch.float32} and pays(inputs.numel() // inputs.shape[-1], weight):
                    return by_onednn(inputs, weight, *(bias or [None]))
            return function(*given, **(named or {}))

    with Multiplying():
        yield


def is_onednn_quicker() -> bool:
    """Whether it wins clearly on this machine: one product timed in turns, the first time it is asked."""
    import torch

    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    name = f"torch-{torch.__version__}-{torch.get_num_threads()}"
    seconds = recall(KIND).get(name)
    if seconds is None:
        seconds = _timed()
        remember(KIND, name, seconds)
    return bool(seconds["torch"] > FASTER * seconds["onednn"])


def _timed() -> dict[str, float]:
    """Seconds of one product by each, the best of a few; 0 for torch where oneDNN cannot."""
    import torch
    from torch.nn.functional import linear

    taken: dict[str, list[float]] = {"torch": [], "onednn": []}
    with torch.inference_mode():
        operands = torch.ones(STATES, WIDTH), torch.ones(INNER, WIDTH), torch.ones(INNER)
        for _ in range(TRIES):
            for name, product in (("torch", linear), ("onednn", by_onednn)):
                began = time.perf_counter()
                try:
                    product(*operands)
                except RuntimeError:  # a build for another processor may know the name only
                    return {"torch": 0.0, "onednn": 1.0}
                taken[name].append(time.perf_counter() - began)
    return {name: min(seconds) for name, seconds in taken.items()}
