"""Log-probabilities of given tokens: those of `log_softmax`, and so is their gradient, in less memory."""

from __future__ import annotations

import pytest
import torch

from lightune.tasks._chosen import ROWS, chosen_log_probability


@pytest.mark.parametrize("number", [0, 1, ROWS, 2 * ROWS + 3])
def test_values_and_gradients_are_those_of_log_softmax(number: int) -> None:
    chance = torch.Generator().manual_seed(number)
    start = 5 * torch.randn(number, 50, generator=chance)
    wanted = torch.randint(50, (number,), generator=chance)
    weights = torch.randn(number, generator=chance)
    found = []
    for way in (
        chosen_log_probability,
        lambda logits, tokens: logits.log_softmax(1).gather(1, tokens[:, None])[:, 0],
    ):
        logits = start.clone().requires_grad_()
        values = way(logits, wanted)
        (values * weights).sum().backward()
        found.append((values.detach(), logits.grad))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-5)
    assert found[0][1] is not None
    assert torch.allclose(found[0][1], found[1][1], atol=1e-5)


def test_nothing_but_the_logits_is_kept() -> None:
    logits = torch.randn(100, 1000, requires_grad=True)
    kept: dict[int, int] = {}

    def keep_it(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep_it, lambda tensor: tensor):
        chosen_log_probability(logits, torch.zeros(100, dtype=torch.int64))
    kept.pop(logits.untyped_storage().data_ptr())
    assert sum(kept.values()) <= 3 * len(logits)
