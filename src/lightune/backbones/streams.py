"""Several passes at once, each on its share of the cores, instead of one after the other on all of them.

Between two operations of a pass Python prepares the next one, and threads that share an operation wait for
each other at its end, a few hundred times a pass; with a second pass under way the cores have work meanwhile.
MiniLM, two cores: 5,340 tokens/s in two streams of 512 tokens, 4,760 in one of 1,024 (2026-12). Only for
passes without gradients: in training it gained nothing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from lightune.core.tokens import Batch

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST = 4  # more would wait for Python's lock
FEW_TOKENS = 8_000  # a second or two: not worth the threads
LEAST_TOKENS = 512  # padded tokens of a pass: with fewer, its weights are read for too little


def in_streams(work: Callable[[Item], Result], items: Iterable[Item], number: int) -> Iterator[Result]:
    """What `work` gives for each item, in their order; `number` of them are worked on at once.

    What a thread inherits from nobody (modes of torch, such as no gradients) is for `work` to set.
    """
    if number < 2:
        yield from map(work, items)
        return
    import torch

    waiting: deque[Future[Result]] = deque()
    cores = torch.get_num_threads()
    share = max(1, cores // number)
    pool = ThreadPoolExecutor(number, initializer=torch.set_num_threads, initargs=(share,))
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= 2 * number:  # results that nobody has taken yet hold memory
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)  # what a thread sets for itself, later ones begin with


def seconds_a_token(run: Callable[[Batch], object], batches: Iterable[Batch], number: int) -> float:
    """Seconds that a padded token takes while `number` passes are under way; at least as many `batches`.

    Each pass is timed by itself, so that it does not matter that the last ones end one after the other.
    """

    def timed(batch: Batch) -> tuple[int, float]:
        began = time.perf_counter()
        run(batch)
        return batch.num_padded_tokens, time.perf_counter() - began

    found = list(in_streams(timed, batches, number))
    return sum(seconds for _, seconds in found) / sum(tokens for tokens, _ in found) / number


def num_streams(num_tokens: int, device: str, storage: str = "") -> int:
    """How many passes to run at once; 1 for few tokens, on a GPU and on one core.

    As many as leave no core idle: each has the same whole number of them (3 passes on 6 cores, 1 on 7).

    Args:
        storage: what the weights are packed by: such are unpacked in turn.
    """
    import torch

    if num_tokens < FEW_TOKENS or device != "cpu" or storage:
        return 1
    cores = torch.get_num_threads()
    return max(range(1, MOST + 1), key=lambda number: (number * (cores // number), number))


def tokens_of_pass(batch_tokens: int, number: int) -> int:
    """Padded tokens of each pass where `number` of them share what one would have."""
    return batch_tokens if number < 2 else min(batch_tokens, max(LEAST_TOKENS, batch_tokens // number))
