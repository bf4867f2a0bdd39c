"""Private steps of the training loop: DP-SGD (Abadi et al. 2016, arXiv:1607.00133).

Rows are drawn by chance (Poisson), the gradient of each is clipped by itself, noise is added to their sum.
Both chance and noise come from the system's own randomness and never from the run's seed: who knows the seed
could take the noise off again. opacus's optimiser clips, sums and adds the noise.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from lightune.core.errors import UserError
from lightune.core.tokens import Ints, Tokens
from lightune.engine.batches import Step, pieces
from lightune.engine.loop import Ability, Descent, Work
from lightune.privacy.budget import Budget
from lightune.privacy.gradients import Apart, Way, choose_way, trained

GRADIENT_BYTES = 128 * 10**6  # of the gradients of all rows of one pass
PROBED_ROWS = 4
SLACK = 1e-3  # of the largest sum that clipped gradients can have: rounding


@dataclass
class Record:
    """What the private steps of this process did; nothing of it is written down but `summary`."""

    steps: int = 0
    rows: int = 0
    clipped: int = 0
    norms: list[float] = field(default_factory=list)

    def add(self, norms: torch.Tensor, clip: float) -> None:
        """Take in the gradient norms (E,) of some rows."""
        self.rows += len(norms)
        self.clipped += int((norms > clip).sum())
        self.norms += norms.tolist()

    def summary(self) -> dict[str, float]:
        """Rounded, since they are statistics of the training rows, which have no noise of their own."""
        known = np.array(self.norms)
        share = round(self.clipped / self.rows, 2) if self.rows else 0.0
        return {
            "median_norm": float(f"{np.median(known):.1g}") if len(known) else 0.0,
            "clipped_share": share,
        }


class PrivateDescent:
    """The private way of sampling and stepping, and the check that it happened."""

    def __init__(self, budget: Budget, exact: Work, apart: Apart | None, batch_tokens: int) -> None:
        self.budget = budget
        self.exact = exact
        self.batch_tokens = batch_tokens
        self.apart = apart
        self.record = Record()
        self.chance = np.random.default_rng(secrets.randbits(128))
        self.way: Way | None = None
        self.optimizer: Any = None
        self.start = [one.detach().clone() for one in trained(exact.model)]

    @property
    def ability(self) -> Ability:
        """What the loop is handed."""
        return Ability(self.sample, self.step)

    def sample(self, epoch: int) -> list[Step]:
        """The steps of an epoch: every row is in each of them with the same chance; some may be empty."""
        work, budget = self.exact, self.budget
        number = math.ceil(len(work.rows) / budget.batch_rows)
        most_rows = max(1, GRADIENT_BYTES // (4 * sum(one.numel() for one in trained(work.model))))
        drawn = [self.chance.random(len(work.rows)) < budget.rate for _ in range(number)]
        return [
            Step(tuple(private_pieces(work.tokens, work.rows[mask], self.batch_tokens, most_rows)))
            for mask in drawn
        ]

    def step(self, work: Work, descent: Descent, step: Step, optimizer: torch.optim.Optimizer) -> float:
        """One noisy step; returns the mean loss of the rows that were drawn."""
        if self.optimizer is None:
            self._begin(work, optimizer)
        assert self.way is not None
        private, parameters = self.optimizer, trained(work.model)
        private.zero_grad(set_to_none=True)
        total, bound = 0.0, 0.0
        for piece in step.pieces:
            losses, gradients = self.way(piece)
            norms = row_norms(gradients)
            if not bool(torch.isfinite(norms).all()):
                return math.nan  # the loop stops, with the reason
            self.record.add(norms, self.budget.clip)
            self._accumulate(parameters, gradients)
            bound += float(norms.clamp(max=self.budget.clip).sum())
            total += float(losses.sum())
        if not step.pieces:
            self._accumulate(parameters, [one.new_zeros((0, *one.shape)) for one in parameters])
        self._require_clipped(parameters, bound)
        private.add_noise()
        private.scale_grad()
        private.original_optimizer.step()
        private.zero_grad(set_to_none=True)
        self.record.steps += 1
        return total / max(1, step.num_rows)

    def _accumulate(self, parameters: list[nn.Parameter], gradients: list[torch.Tensor]) -> None:
        for parameter, one in zip(parameters, gradients, strict=True):
            parameter.grad_sample = one  # type: ignore[attr-defined]
        self.optimizer.clip_and_accumulate()

    def _begin(self, work: Work, optimizer: torch.optim.Optimizer) -> None:
        from opacus.optimizers import DPOptimizer

        make = choose_way(self.exact, self.apart, probe_rows(work.tokens, work.rows))
        self.way = make(work)
        generator = torch.Generator(device=work.device)
        generator.manual_seed(secrets.randbits(63))
        self.optimizer = DPOptimizer(
            optimizer,
            noise_multiplier=self.budget.noise,
            max_grad_norm=self.budget.clip,
            expected_batch_size=self.budget.batch_rows,
            generator=generator,
            secure_mode=True,
        )

    def _require_clipped(self, parameters: list[nn.Parameter], bound: float) -> None:
        """The sum of clipped gradients is never longer than the sum of their lengths."""
        squares = [float(one.summed_grad.float().square().sum()) for one in parameters]  # type: ignore[attr-defined]
        if math.sqrt(sum(squares)) > bound * (1 + SLACK) + 1e-6:
            raise UserError(
                "the gradients were not clipped row by row, so that nothing would be promised: the run ends",
                hint="This is a defect: please report it, with the model and the method.",
            )

    def finish(self, taken: int = 0) -> dict[str, Any]:
        """Check that it was private training; what `metrics.json` says of it.

        Args:
            taken: steps of the whole run; more than this process took where it went on with a killed one.

        Raises:
            UserError: no weight moved, or no row had a gradient: the silent failures of opacus#820.
        """
        if self.way is not None:
            self.way.close()
        record, budget = self.record, self.budget
        if max(taken, record.steps) > budget.steps:
            raise UserError(f"{taken} steps were taken, and noise was planned for {budget.steps}")
        if taken or record.steps:
            moved = [
                not torch.equal(a, b) for a, b in zip(self.start, trained(self.exact.model), strict=True)
            ]
            if not any(moved):
                raise UserError("private training did not change a single weight: the run is not saved")
        if record.steps and not any(record.norms):
            raise UserError("no row ever had a gradient: the run is not saved")
        return {
            **vars(budget),
            "steps_taken_now": record.steps,
            "gradients": self.way.name if self.way else "",
            **record.summary(),
        }


def private_pieces(tokens: Tokens, rows: Ints, batch_tokens: int, most_rows: int) -> list[Ints]:
    """Rows of like length together, under the token budget and under `most_rows`."""
    ordered = rows[np.argsort(tokens.example_lengths[rows], kind="stable")]
    return [
        piece[start : start + most_rows]
        for piece in pieces(tokens, ordered, batch_tokens)
        for start in range(0, len(piece), most_rows)
    ]


def row_norms(gradients: list[torch.Tensor]) -> torch.Tensor:
    """(E,) lengths of the gradients of all rows, over all parameters."""
    squares = [one.reshape(len(one), -1).square().sum(1) for one in gradients]
    return torch.stack(squares).sum(0).sqrt()


def probe_rows(tokens: Tokens, rows: Ints) -> Ints:
    """A few rows, shortest and longest among them, none of them too long to look at twice."""
    ordered = rows[np.argsort(tokens.example_lengths[rows], kind="stable")]
    places = np.linspace(0, len(ordered) - 1, min(PROBED_ROWS, len(ordered))).astype(np.int64)
    return np.asarray(ordered[places], dtype=np.int64)
