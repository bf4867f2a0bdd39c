"""The arithmetic of a pass: float32, or bfloat16 where the processor is faster in it.

Which one is measured on the machine at hand, with the texts at hand, and remembered: two runs on the same
machine then compute the same numbers. In bfloat16 the matrix products are rounded to 8 bits of mantissa
while sums, normalisations and all weights stay float32 (automatic mixed precision, Micikevicius et al. 2018,
arXiv:1710.03740).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, Literal

from lightune.backbones.products import quick_products
from lightune.backbones.streams import seconds_a_token
from lightune.core.remembered import recall, remember

if TYPE_CHECKING:
    from lightune.core.tokens import Batch

Precision = Literal["float32", "bfloat16"]
KIND = "speeds"  # of measurement
FASTER = 1.25  # bfloat16 must win by so much to be worth its rounding
HOPELESS = 1 / 3  # of float32's speed: below it no busy machine explains it, and it is not tried again
TRIES = 2
SHORT_TOKENS = 128  # up to here plain products beat fused attention in bfloat16 training


@dataclass(frozen=True)
class Speeds:
    """Padded tokens a second of the whole forward pass in each precision."""

    float32: float
    bfloat16: float

    @property
    def best(self) -> Precision:
        """Bfloat16 where it is clearly faster."""
        return "bfloat16" if self.bfloat16 > FASTER * self.float32 else "float32"

    @property
    def is_hopeless(self) -> bool:
        """Bfloat16 is emulated here: on processors with AVX2 alone a pass takes five times as long."""
        return self.bfloat16 < HOPELESS * self.float32


@contextlib.contextmanager
def computing(precision: Precision, device: str) -> Iterator[None]:
    """Passes inside are computed in `precision`; in float32 on a device where torch knows nothing else."""
    import torch

    kind = device.split(":", maxsplit=1)[0]
    if precision == "float32" or not torch.amp.is_autocast_available(kind):
        yield
        return
    with torch.autocast(kind, dtype=torch.bfloat16):
        yield


@contextlib.contextmanager
def in_float32(device: str) -> Iterator[None]:
    """What is inside is computed in float32, though `computing` says otherwise around it."""
    import torch

    kind = device.split(":", maxsplit=1)[0]
    if not torch.amp.is_autocast_available(kind):
        yield
        return
    with torch.autocast(kind, enabled=False):
        yield


@contextlib.contextmanager
def reading_in(precision: Precision, device: str) -> Iterator[None]:
    """Passes without gradients inside are computed in `precision`, their products by the quicker library."""
    quick = quick_products(device) if precision == "float32" else contextlib.nullcontext()
    with computing(precision, device), quick:
        yield


@contextlib.contextmanager
def attending(precision: Precision, device: str, batch: Batch) -> Iterator[None]:
    """Passes inside take the quicker attention for training on a batch of this length.

    Torch's fused attention saves memory on long texts, but on a processor its bfloat16 backward pass costs
    short ones 1.3 to 1.9 times as much as plain products do (MiniLM, 16 to 128 tokens, 2 cores, 2026-11).
    """
    import torch

    is_short = batch.attention_mask.shape[1] <= SHORT_TOKENS
    if not (is_short and torch.is_grad_enabled() and precision == "bfloat16" and device == "cpu"):
        yield
        return
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH):
        yield


def kernel_name(device: str, precision: Precision, storage: str = "") -> str:
    """What computes the frozen part: stored values of one are never served for another."""
    import torch

    place = device.split(":", maxsplit=1)[0]
    name = f"torch-{torch.__version__.split('+')[0]}-{place}-{precision}"
    return f"{name}-{storage}" if storage else name


def measured_speeds(
    forward: Callable[[Batch], Any],
    small: Batch,
    batches: list[Batch],
    *,
    digest: str,
    device: str,
    streams: int = 1,
) -> Speeds:
    """Time `forward` in both precisions on `batches`, or look up what was measured here before.

    Each precision gets the best of a few passes over a few batches, in turns, so that a machine that is busy
    with something else slows down both: about two seconds on a laptop. Bfloat16 that lost is given another
    chance by the next run, but not where it is `is_hopeless`, as a `small` batch shows. `streams` passes
    run at once.
    """
    import torch

    machine = f"{kernel_name(device, 'float32')}-{torch.get_num_threads()}-{streams}-{digest}"
    known = recall(KIND)
    before = Speeds(**known[machine]) if machine in known else None
    if before and before.best == "bfloat16":
        return before

    def measured(some: list[Batch], *precisions: Precision) -> dict[Precision, float]:
        rates = dict.fromkeys(precisions, 0.0)
        for _ in range(TRIES):
            for precision, rate in rates.items():
                rates[precision] = max(rate, _speed(forward, some, precision, device, streams))
        return rates

    rough = before or Speeds(**measured([small], "float32", "bfloat16"))
    rates = measured(batches, "float32", *(() if rough.is_hopeless else ("bfloat16",)))
    found = Speeds(rates["float32"], rates.get("bfloat16", rough.bfloat16))
    remember(KIND, machine, vars(found))
    return found


def _speed(
    forward: Callable[[Batch], Any], batches: list[Batch], precision: Precision, device: str, streams: int
) -> float:
    """Padded tokens a second over `batches`, gone through again where they are fewer than passes at once."""
    import torch

    def run(batch: Batch) -> None:
        with torch.inference_mode(), computing(precision, device):
            forward(batch)

    enough = islice(cycle(batches), max(len(batches), streams))
    return 1 / seconds_a_token(run, enough, streams)
