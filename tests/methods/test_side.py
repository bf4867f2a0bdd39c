"""The side network computes in float32 whatever the backbone under it runs in, stored or not."""

from __future__ import annotations

import pytest
import torch

from lightune.methods._side_network import SideNetwork
from lightune.methods.side import SideSettings


@pytest.mark.parametrize("is_per_token", [False, True])
def test_autocast_does_not_reach_it(is_per_token: bool) -> None:
    """Without gradients and with them: answers from states just computed are those from stored ones."""
    torch.manual_seed(0)
    network = SideNetwork((32, 2, 3), SideSettings(), is_per_token=is_per_token).eval()
    with torch.no_grad():
        for one in network.parameters():
            one.normal_(std=0.3)
    mask = torch.ones(4, 7, dtype=torch.long)
    mask[1, 4:] = 0
    rungs = [torch.randn(4, 7, 32) for _ in range(2)]
    with torch.inference_mode():
        exact = network(rungs, mask)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = network(rungs, mask)
    assert found.dtype == torch.float32
    assert torch.allclose(
        found[mask.bool()] if is_per_token else found, exact[mask.bool()] if is_per_token else exact
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trained = network(rungs, mask)
    trained.sum().backward()
    assert trained.dtype == torch.float32 and all(one.grad is not None for one in network.downs.parameters())
