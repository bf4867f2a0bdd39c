"""The gradient of every row by itself, in one pass over many rows.

Three ways, quickest first: `Functional` (vmap over a small network that reads stored activations), `Hooked`
(opacus's rules for linear maps, normalisations and embeddings, on hooks of our own), `OneByOne`. A row is an
example with all its windows, both sides of a pair and all its answers; its loss is the mean over its answers.

Letters: E examples, S sequences of them, U answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lightune.core.tokens import Batch, Ints
from lightune.engine.loop import Work

if TYPE_CHECKING:
    from lightune.backbones.base import Tap

Gradients = list[torch.Tensor]  # a tensor (E, *shape) for each trainable parameter, in the order of `trained`
AGREE = 1e-4  # of the largest value: float32 sums in another order differ by less


class CannotError(Exception):
    """This way does not work for this network; the next one is tried."""


class Way(Protocol):
    """Rows -> ((E,) their losses, their gradients)."""

    name: str

    def __call__(self, rows: Ints) -> tuple[torch.Tensor, Gradients]:
        """Losses and gradients of `rows`."""

    def close(self) -> None:
        """Leave the network as it was."""


@dataclass(frozen=True)
class Apart:
    """A forward pass in two: reading what is stored, and the small network above it.

    Attributes:
        read: a batch -> stored activations at every tap, (S, T, H), or (S, H) where reduced.
        logits: activations and their batch -> (S, ...) outputs, by nothing but modules of `model`.
    """

    read: Callable[[Batch], Mapping[Tap, torch.Tensor]]
    logits: Callable[[Mapping[Tap, torch.Tensor], Batch], torch.Tensor]


def trained(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that train, in the model's order."""
    return [one for one in model.parameters() if one.requires_grad]


def example_losses(losses: torch.Tensor, batch: Batch) -> torch.Tensor:
    """(U,) losses of answers -> (E,) the mean of those of each example."""
    if len(losses) == batch.num_examples and batch.units is None:
        return losses
    assert batch.units is not None, "a loss for each answer, and no units to tell whose it is"
    counts = torch.zeros(batch.num_examples, dtype=torch.long, device=losses.device)
    counts.index_add_(0, batch.owner, (batch.units >= 0).sum(1))
    if int(counts.sum()) != len(losses):
        raise CannotError("its answers cannot be told apart by row")
    owner = torch.repeat_interleave(torch.arange(len(counts), device=losses.device), counts)
    total = losses.new_zeros(len(counts)).index_add(0, owner, losses)
    return total / counts.clamp(min=1)


class OneByOne:
    """One row at a time: slow, and right for every network whose rows do not see each other."""

    name = "one row at a time"

    def __init__(self, work: Work) -> None:
        self.work = work

    def __call__(self, rows: Ints) -> tuple[torch.Tensor, Gradients]:
        """Losses and gradients of `rows`."""
        work, parameters = self.work, trained(self.work.model)
        losses, gradients = [], [[] for _ in parameters]  # type: ignore[var-annotated]
        for place in range(len(rows)):
            row = rows[place : place + 1]
            batch = work.tokens.batch(row, pad_id=work.pad_id, device=work.device)
            loss = example_losses(work.losses(work.forward(batch), batch, work.targets[row]), batch).sum()
            losses.append(loss.detach())
            found = torch.autograd.grad(loss, parameters, allow_unused=True)
            for kept, one, parameter in zip(gradients, found, parameters, strict=True):
                kept.append(torch.zeros_like(parameter) if one is None else one.detach().float())
        return torch.stack(losses), [torch.stack(kept) for kept in gradients]

    def close(self) -> None:
        """Nothing to undo."""


class Functional:
    """One pass for the losses, then the product of each sequence's output gradient with its own Jacobian.

    The second pass is `vmap` over `vjp`, so that any loss, and windows that are averaged, work.
    """

    name = "all rows at once (vmap)"

    def __init__(self, work: Work, apart: Apart) -> None:
        self.work = work
        self.apart = apart

    def __call__(self, rows: Ints) -> tuple[torch.Tensor, Gradients]:
        """Losses and gradients of `rows`."""
        work, model = self.work, self.work.model
        batch = work.tokens.batch(rows, pad_id=work.pad_id, device=work.device)
        read = self.apart.read(batch)
        with torch.no_grad():
            outputs = self.apart.logits(read, batch)
        outputs = outputs.float().detach().requires_grad_()
        losses = example_losses(work.losses(outputs, batch, work.targets[rows]), batch)
        (slopes,) = torch.autograd.grad(losses.sum(), outputs)
        named = {name: one.detach() for name, one in model.named_parameters() if one.requires_grad}
        holder = _Holder(model, self.apart.logits)

        def gradient(
            states: dict[Tap, torch.Tensor], mask: torch.Tensor, slope: torch.Tensor
        ) -> dict[str, torch.Tensor]:
            alone = Batch(mask[None], mask[None], None, batch.owner[:1], 1, batch.sequences[:1])

            def answer(weights: dict[str, torch.Tensor]) -> torch.Tensor:
                inside = {f"model.{name}": one for name, one in weights.items()}
                given = ({tap: one[None] for tap, one in states.items()}, alone)
                found: torch.Tensor = torch.func.functional_call(holder, inside, given)
                return found[0].float()

            return torch.func.vjp(answer, named)[1](slope)[0]  # type: ignore[no-any-return]

        with sdpa_kernel(SDPBackend.MATH):  # the fused one has no rule for vmap
            found = torch.func.vmap(gradient)(dict(read), batch.attention_mask, slopes)
        joined = [_by_example(found[name].float(), batch) for name in named]
        return losses.detach(), joined

    def close(self) -> None:
        """Nothing to undo."""


class _Holder(nn.Module):
    """Makes a function of the modules in `model` something that `functional_call` can call."""

    def __init__(self, model: nn.Module, logits: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.model = model
        self.logits = logits

    def forward(self, states: dict[Tap, torch.Tensor], batch: Batch) -> torch.Tensor:
        """Outputs of one sequence."""
        return self.logits(states, batch)


class Hooked:
    """Opacus's rules for the gradient of a sequence, from what went into a module and came back to it."""

    name = "all rows at once (opacus)"

    def __init__(self, work: Work) -> None:
        from opacus.grad_sample import GradSampleModule

        self.work = work
        self.rules: Mapping[type, Any] = GradSampleModule.GRAD_SAMPLERS
        self.found: dict[nn.Parameter, torch.Tensor] = {}
        self.batch: Batch | None = None
        owners = [one for one in work.model.modules() if _own(one)]
        unknown = sorted({type(one).__name__ for one in owners if type(one) not in self.rules})
        if unknown:
            raise CannotError(f"no rule for {', '.join(unknown)}")
        self.handles = [one.register_forward_hook(self._watch) for one in owners]

    def _watch(self, module: nn.Module, given: tuple[Any, ...], output: torch.Tensor) -> None:
        """Wait for the gradient of a module's output."""
        if self.batch is None or not output.requires_grad:
            return
        entered, batch = given[0].detach(), self.batch
        if len(entered) != len(batch.owner):
            raise CannotError(f"{type(module).__name__} reads the sequences of a batch in another form")

        def take(slope: torch.Tensor) -> None:
            entering = entered.float() if entered.is_floating_point() else entered
            with torch.no_grad():
                found = self.rules[type(module)](module, [entering], slope.detach().float())
            for parameter, one in found.items():
                summed, known = _by_example(one.float(), batch), self.found.get(parameter)
                self.found[parameter] = summed if known is None else known + summed

        output.register_hook(take)  # type: ignore[no-untyped-call]

    def __call__(self, rows: Ints) -> tuple[torch.Tensor, Gradients]:
        """Losses and gradients of `rows`."""
        work = self.work
        self.batch = work.tokens.batch(rows, pad_id=work.pad_id, device=work.device)
        self.found = {}
        try:
            outputs = work.forward(self.batch)
            losses = example_losses(work.losses(outputs, self.batch, work.targets[rows]), self.batch)
            losses.sum().backward()  # type: ignore[no-untyped-call]
        finally:
            self.batch = None
        parameters = trained(work.model)
        for one in parameters:
            one.grad = None
        lost = sum(one not in self.found for one in parameters)
        if lost:
            raise CannotError(
                f"{lost} of {len(parameters)} parameters are used outside of a module's forward"
            )
        gradients = [self.found[one] for one in parameters]
        self.found = {}
        return losses.detach(), gradients

    def close(self) -> None:
        """Take the hooks off."""
        for handle in self.handles:
            handle.remove()


def _own(module: nn.Module) -> list[nn.Parameter]:
    return [one for one in module.parameters(recurse=False) if one.requires_grad]


def _by_example(gradients: torch.Tensor, batch: Batch) -> torch.Tensor:
    """(S, *shape) -> (E, *shape): the sum over the windows of an example."""
    if len(batch.owner) == batch.num_examples:
        return gradients
    total = gradients.new_zeros((batch.num_examples, *gradients.shape[1:]))
    return total.index_add(0, batch.owner, gradients)


def choose_way(exact: Work, apart: Apart | None, rows: Sequence[int] | Ints) -> Callable[[Work], Way]:
    """What makes the quickest way that gives, on `rows`, what one row at a time gives.

    Args:
        exact: the work in float32, dropout off: only then can the two be held against each other.
        apart: its forward pass in two, where it has one.
        rows: a few training rows of different length.
    """
    import numpy as np

    probe = np.asarray(rows, dtype=np.int64)
    wanted = OneByOne(exact)(probe)[1]
    makers: list[Callable[[Work], Way]] = []
    if apart is not None:
        makers.append(lambda work: Functional(work, apart))
    for make in [*makers, Hooked]:
        way: Way | None = None
        try:
            way = make(exact)
            if agree(way(probe)[1], wanted):
                return make
        except (CannotError, RuntimeError, ValueError, TypeError, NotImplementedError, IndexError):
            pass  # torch says no in many ways; whatever it is, the next way is tried
        finally:
            if way is not None:
                way.close()
    return OneByOne


def agree(found: Gradients, wanted: Gradients, tolerance: float = AGREE) -> bool:
    """Whether two lists of gradients are the same, measured by the largest value of all."""
    size = max(float(one.abs().max()) for one in wanted)
    return all(
        one.shape == other.shape and float((one - other).abs().max()) <= tolerance * max(size, 1e-8)
        for one, other in zip(found, wanted, strict=True)
    )
