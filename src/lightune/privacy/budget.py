"""How much noise a promise of epsilon and delta costs, by opacus's accountants.

Abadi et al. 2016 (arXiv:1607.00133): each step samples every row with chance q (Poisson), clips each row's
gradient to norm C and adds Gaussian noise of deviation sigma * C. The accountant composes T such steps: by
privacy random variables (Gopi et al. 2021, arXiv:2106.02848) or Rényi divergence (Mironov 2017,
arXiv:1702.07476).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from lightune.core.errors import UserError

LEAST_NOISE = 0.05  # under this the accountants' own arithmetic breaks down


@dataclass(frozen=True)
class Budget:
    """One private run, fixed before it starts.

    Attributes:
        epsilon: what the accountant says of all steps at `noise`; at most what was asked for.
        noise: the noise multiplier sigma: deviation of the noise over `clip`.
        rate: q, the chance of a row to be in a step.
        batch_rows: rows of a step on average: the sum of clipped gradients is divided by it.
    """

    epsilon: float
    delta: float
    clip: float
    noise: float
    rate: float
    steps: int
    batch_rows: int
    accountant: str

    def describe(self) -> str:
        """One line for the table of decisions."""
        return (
            f"epsilon {self.epsilon:.2f}, delta {self.delta:.2g}, noise {self.noise:.3f}, clip {self.clip:g}"
        )


def plan_budget(
    epsilon: float, delta: float, clip: float, accountant: str, *, num_rows: int, batch_rows: int, steps: int
) -> Budget:
    """The least noise that keeps `steps` over `num_rows` within `epsilon` at `delta`.

    Raises:
        UserError: no noise is enough, or delta is no promise for so many rows.
    """
    if delta > 1 / num_rows * (1 + 1e-9):
        raise UserError(
            f"--privacy.delta {delta:g} is more than 1 / {num_rows} rows: one row may be given away whole",
            hint=f"Leave it out, or give {1 / num_rows:.1e} or less.",
        )
    rate = min(1.0, batch_rows / num_rows)
    noise = noise_for(epsilon, delta, rate=rate, steps=steps, accountant=accountant)
    spent = spent_epsilon(noise, delta, rate=rate, steps=steps, accountant=accountant)
    return Budget(spent, delta, clip, noise, rate, steps, batch_rows, accountant)


def noise_for(epsilon: float, delta: float, *, rate: float, steps: int, accountant: str) -> float:
    """The least noise multiplier, to 0.01 in epsilon."""
    from opacus.accountants.utils import get_noise_multiplier

    known = {"target_epsilon": epsilon, "target_delta": delta, "sample_rate": rate, "steps": steps}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on its way it tries noises for which its bound is loose
        try:
            found = float(get_noise_multiplier(**known, accountant=accountant))
        except (ValueError, RuntimeError, OverflowError) as error:
            raise UserError(
                f"the accountant {accountant!r} finds no noise for epsilon {epsilon:g}: {error}",
                hint="Give a larger --privacy.epsilon, fewer --train.epochs, or --privacy.accountant rdp.",
            ) from None
    return max(found, LEAST_NOISE)


def spent_epsilon(noise: float, delta: float, *, rate: float, steps: int, accountant: str) -> float:
    """What `steps` steps give away at `noise`."""
    from opacus.accountants import create_accountant

    counter = create_accountant(mechanism=accountant)
    counter.history = [(noise, rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(counter.get_epsilon(delta=delta))
