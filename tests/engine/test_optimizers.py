"""Optimisers for little memory: MeZO without a backward pass, GaLore with a small state; layers by turns."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from lightune.core.errors import UserError
from lightune.engine import galore, mezo
from lightune.engine.optimizers import KINDS, fused, kept_bytes
from lightune.engine.settings import TrainSettings
from lightune.steps import cost, keep
from lightune.steps.cost import Planned
from tests.making import TinyModel, train_tiny


def test_every_optimizer_is_an_option() -> None:
    known = TrainSettings.model_fields["optimizer"].annotation
    assert set(typing.get_args(known)) == set(KINDS)


def learn(folder: Path, model: Path, **asked: Any) -> dict[str, Any]:
    """A short training; its summary, with the losses of all steps and the plan's calibration."""
    seen: dict[str, Any] = {}
    save, calibrate = keep.keep, cost.calibration_of

    def look(outcome: keep.Outcome, work: Path, output: Path) -> None:
        seen["losses"] = outcome.progress.step_losses
        save(outcome, work, output)

    def measured(*given: Any, **named: Any) -> Any:
        seen["known"] = calibrate(*given, **named)
        return seen["known"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keep, "keep", look)
        patch.setattr(cost, "calibration_of", measured)
        summary = train_tiny(folder, model, precision="exact", **asked)
    return summary | seen


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_fused_steps_are_the_plain_ones(name: str) -> None:
    """Ten steps on the same gradients, by torch's rule one operation at a time, and as it is made here."""
    random = torch.Generator().manual_seed(0)
    start = torch.randn(40, 30, generator=random)
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    more = {"momentum": 0.9} if name == "sgd" else {}
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    made = KINDS[name].make([{"params": [ours], "lr": 0.01, "weight_decay": 0.1}], 0.0)
    plain = kinds[name]([{"params": [theirs], "lr": 0.01, "weight_decay": 0.1}], fused=False, **more)
    assert bool(made.defaults["fused"]) is (name != "sgd")  # layers that take turns: see KINDS
    for _ in range(10):
        gradient = torch.randn(40, 30, generator=random)
        for one, optimizer in ((ours, made), (theirs, plain)):
            one.grad = gradient.clone()
            optimizer.step()
    assert (ours - start).abs().max() > 0.01
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_what_cannot_be_fused_is_made_plain() -> None:
    class Old(torch.optim.SGD):
        """As an earlier torch on another device."""

        def __init__(self, params: Any, *, fused: bool = False, **settings: Any) -> None:
            if fused:
                raise RuntimeError("`fused=True` requires all the params to be on supported devices")
            super().__init__(params, **settings)

    assert isinstance(fused(Old, [{"params": [nn.Parameter(torch.ones(2))]}], lr=0.1), Old)


# --- MeZO -----------------------------------------------------------------------------------------------


def test_a_step_follows_the_slope_along_its_direction() -> None:
    """On a quadratic the difference of two losses is the slope itself: theta - rate (z.g) z."""
    theta = nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    wanted = torch.tensor([0.0, 1.0, 0.0])
    optimizer = mezo.MeZO([{"params": [theta]}], clip=0.0)
    optimizer.param_groups[0]["lr"] = 0.1
    before = theta.detach().clone()
    torch.manual_seed(3)
    seed = int(torch.randint(2**31, (1,)))
    direction = torch.randn(3, generator=torch.Generator().manual_seed(seed))
    torch.manual_seed(3)
    loss = optimizer.step(lambda: float(((theta - wanted) ** 2).sum()))
    slope = direction @ (2 * (before - wanted))
    assert torch.allclose(theta.detach(), before - 0.1 * slope * direction, atol=2e-3)
    assert loss == pytest.approx(float(((before - wanted) ** 2).sum()), abs=1e-3)
    assert theta.grad is None
    assert not optimizer.state


def test_a_rate_of_nothing_moves_nothing() -> None:
    theta = nn.Parameter(torch.randn(1000, generator=torch.Generator().manual_seed(0)))
    before = theta.detach().clone()
    optimizer = mezo.MeZO([{"params": [theta]}], clip=1.0)
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step(lambda: float(theta.sum()))
    assert torch.equal(theta, before)


@pytest.fixture(scope="module")
def by_mezo(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """LoRA and a head by MeZO, with every backward pass forbidden."""

    def refuse(*given: Any, **named: Any) -> None:
        raise AssertionError("it went back")

    how = {"learning_rate": 1e-2, "schedule": "constant", "patience": 0}
    groups = {"train": {"optimizer": "mezo", "epochs": 120, "batch_rows": 48, **how}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "backward", refuse)
        folder = tmp_path_factory.mktemp("mezo")
        return learn(folder, tiny("bert", num_layers=2), method="lora", groups=groups)


def test_mezo_learns_without_a_backward_pass(by_mezo: dict[str, Any]) -> None:
    losses = by_mezo["losses"]
    assert np.mean(losses[-20:]) < 0.9 * np.mean(losses[:5])


def test_the_plan_of_mezo_has_no_gradients(by_mezo: dict[str, Any]) -> None:
    """What was measured for the plan keeps nothing for a backward pass, and neither will the run."""
    assert by_mezo["known"].saved_bytes == 0
    assert by_mezo["known"].kept_bytes == 0


@pytest.mark.parametrize(
    ("groups", "what"),
    [
        ({"speed": {"skip_below": 0.1}}, "never goes back"),
        ({"method": {"checkpointing": True}}, "never goes back"),
        ({"privacy": {"epsilon": 8.0}}, "noise"),
    ],
)
def test_what_has_no_effect_without_gradients(
    groups: dict[str, Any], what: str, tiny: TinyModel, tmp_path: Path
) -> None:
    if "privacy" in groups:
        pytest.importorskip("opacus")
    groups = {"train": {"optimizer": "mezo"}, **groups}
    with pytest.raises(UserError, match=what):
        train_tiny(tmp_path, tiny("bert"), method="lora", groups=groups)


# --- GaLore ---------------------------------------------------------------------------------------------


def test_strongest_directions_are_those_of_the_svd() -> None:
    gradient = torch.randn(40, 90, generator=torch.Generator().manual_seed(0))
    found = galore.strongest(gradient, 4)
    wanted = torch.linalg.svd(gradient)[0][:, :4]
    assert torch.allclose(found @ found.T, wanted @ wanted.T, atol=1e-4)


def test_galore_is_adamw_where_nothing_is_projected() -> None:
    """Vectors and small matrices: the steps of torch's own AdamW."""
    chance = torch.Generator().manual_seed(1)
    start = [torch.randn(7, generator=chance), torch.randn(5, 6, generator=chance)]
    ways = []
    for kind in ("galore", "adamw"):
        weights = [nn.Parameter(one.clone()) for one in start]
        optimizer = KINDS[kind].make([{"params": weights, "weight_decay": 0.1}], 0.0)
        optimizer.param_groups[0]["lr"] = 0.01
        for number in range(5):
            for one in weights:
                one.grad = torch.sin(one.detach() + number)
            optimizer.step()
        ways.append(weights)
    for one, other in zip(*ways, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("shape", [(40, 90), (90, 40)])
def test_galore_goes_down_and_keeps_little(shape: tuple[int, int]) -> None:
    weight = nn.Parameter(torch.zeros(shape))
    chance = torch.Generator().manual_seed(2)
    wanted = torch.randn(shape[0], 3, generator=chance) @ torch.randn(3, shape[1], generator=chance)
    optimizer = KINDS["galore"].make([{"params": [weight]}], 0.0)
    optimizer.param_groups[0]["lr"] = 0.05
    for number in range(300):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - number / 300)
        weight.grad = weight.detach() - wanted
        optimizer.step()
    assert float((weight.detach() - wanted).norm()) < 0.1 * float(wanted.norm())
    kept = sum(one.numel() for one in optimizer.state[weight].values()) - 1  # but for the count of steps
    assert kept == galore.num_kept(weight.shape) < 1.3 * weight.numel()


def test_galore_trains_a_network_and_is_resumed_whole(tiny: TinyModel, tmp_path: Path) -> None:
    from lightune.engine import checkpoint

    rates = {"learning_rate": 5e-3, "head_learning_rate": 2e-2, "patience": 0}
    groups = {"train": {"optimizer": "galore", "epochs": 40, "batch_rows": 8, **rates}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(galore, "RANK", 4)  # the tiny network is 32 wide
        made = learn(tmp_path, tiny("bert", num_layers=2), method="full", groups=groups)
    assert np.mean(made["losses"][-10:]) < 0.7 * np.mean(made["losses"][:5])
    weight = nn.Parameter(torch.randn(40, 90, generator=torch.Generator().manual_seed(0)))
    one, other = (KINDS["galore"].make([{"params": [weight]}], 0.0) for _ in range(2))
    weight.grad = torch.ones_like(weight)
    one.step()
    checkpoint.restore_optimizer(other, checkpoint.optimizer_tensors(one))
    for name, tensor in one.state[weight].items():
        assert torch.equal(other.state[weight][name], tensor)


# --- Layers by turns ------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_layers_take_turns(optimizer: str, tiny: TinyModel, tmp_path: Path) -> None:
    """One of four layers at a time: all of them have moved in the end, the embeddings have not."""
    model = tiny("bert", num_layers=4)
    how = {"epochs": 8, "batch_rows": 8, "patience": 0, "optimizer": optimizer}
    all_rows = {"validation_fraction": 0.0, "test_fraction": 0.0}  # or the weights of an early epoch are kept
    groups = {"train": how, "method": {"at_once": 1, "every": 2}, "data": all_rows}
    made = learn(tmp_path, model, method="full", groups=groups)
    before, after = load_file(model / "model.safetensors"), load_file(f"{made['output']}/model.safetensors")
    known = {name.removeprefix("bert."): tensor for name, tensor in before.items()}
    moved = {
        name
        for name, tensor in after.items()
        if name.removeprefix("bert.") in known and not tensor.equal(known[name.removeprefix("bert.")])
    }
    assert {f"layer.{place}." for place in range(4)} == {
        f"layer.{name.split('.layer.')[1].split('.')[0]}." for name in moved if ".layer." in name
    }
    assert not any(name.endswith("word_embeddings.weight") for name in moved)


def test_layers_learn_by_turns(tiny: TinyModel, tmp_path: Path) -> None:
    """Two of four at a time, the rate falling: more slowly than all of them, but they do."""
    how = {"learning_rate": 2e-3, "head_learning_rate": 5e-3, "schedule": "linear", "patience": 0}
    groups = {"train": {"epochs": 50, "batch_rows": 16, **how}, "method": {"at_once": 2}}
    losses = learn(tmp_path, tiny("bert", num_layers=4), method="full", groups=groups)["losses"]
    assert np.mean(losses[-15:]) < 0.7 * np.mean(losses[:15])


def test_only_the_layers_of_a_turn_are_kept_track_of(tiny: TinyModel, tmp_path: Path) -> None:
    """The plan knows it: gradients and state are those of one layer of four, and the head."""
    model, found = tiny("bert", num_layers=4), []
    for settings in ({"at_once": 1}, {}):
        made = learn(
            tmp_path,
            model,
            method="full",
            groups={"method": settings, "train": {"epochs": 1}},
            overwrite=True,
        )
        found.append(made)
    assert found[0]["known"].kept_bytes < 0.5 * found[1]["known"].kept_bytes
    assert found[0]["known"].saved_bytes < found[1]["known"].saved_bytes
    assert found[0]["trainable_parameters"] > 0.5 * found[1]["trainable_parameters"]


def test_a_turn_is_forgotten(tiny: TinyModel) -> None:
    from lightune.backbones.base import HeadSpec
    from lightune.backbones.transformer import Transformer
    from lightune.engine.loop import _forget_idle
    from lightune.methods.full import Full

    spec = HeadSpec("AutoModelForSequenceClassification", 2, "single_label_classification", ("a", "b"))
    model = str(tiny("bert", num_layers=4))
    backbone = Transformer.load(model, spec, head="standard", identifier="x", digest="x")
    method = Full(Full.Settings(at_once=1, every=1), "standard")
    method.apply(backbone)
    every = [one for one in backbone.model.parameters() if one.requires_grad]
    optimizer = KINDS["adamw"].make([{"params": every}], 0.0)
    choose = method.turns(backbone, seed=0)
    assert choose is not None
    sizes = []
    for step in range(12):
        choose(step)
        _forget_idle(optimizer)
        backbone.forward(backbone.two_texts()).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        sizes.append(sum(tensor.numel() for state in optimizer.state.values() for tensor in state.values()))
    assert len(set(sizes)) == 1, "layers of one size: so many numbers are kept at any time"
    assert sizes[0] < 0.5 * 2 * sum(one.numel() for one in every)
    assert kept_bytes(backbone.model, KINDS["adamw"]) >= 4 * sizes[0]


def test_turns_refuse_what_they_cannot_share(tiny: TinyModel, tmp_path: Path) -> None:
    groups: dict[str, Any] = {"method": {"at_once": 1}, "speed": {"later_layers": "1"}}
    with pytest.raises(UserError, match="take turns"):
        train_tiny(tmp_path, tiny("bert", num_layers=4), method="full", groups=groups)
    with pytest.raises(UserError, match="no effect"):
        train_tiny(tmp_path, tiny("bert"), method="full", groups={"method": {"every": 3}})


def test_the_plan_names_less_memory(tiny: TinyModel, tmp_path: Path) -> None:
    """Of the same run: less by MeZO than by AdamW."""
    peaks = {}
    foresee = cost.foresee

    def look(*given: Any, **named: Any) -> Any:
        descent, planned = foresee(*given, **named)
        peaks[descent.optimizer] = planned
        return descent, planned

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightune.steps.cost.foresee", look)
        for name in ("adamw", "mezo"):
            groups = {"train": {"optimizer": name, "epochs": 1}}
            train_tiny(tmp_path, tiny("bert"), method="full", groups=groups, overwrite=True)
    planned: dict[str, Planned] = peaks
    assert planned["mezo"].calibration.kept_bytes == 0 < planned["adamw"].calibration.kept_bytes
