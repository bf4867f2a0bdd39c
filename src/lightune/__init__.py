"""lightune: light fine-tuning of pre-trained language models on the computer you have.

import lightune

run = lightune.train("reviews.csv")
run.predict(["great"])[0].label
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightune.core.errors import UserError
from lightune.core.machine import bound_kernel_caches

if TYPE_CHECKING:
    from lightune.api import check, compare, plan, train
    from lightune.run import Run, load
    from lightune.steps.route import load_many

bound_kernel_caches()

__version__ = "0.1.0"
__all__ = ["Run", "UserError", "check", "compare", "load", "load_many", "plan", "train"]

_HOMES = {
    "Run": "run",
    "load": "run",
    "check": "api",
    "compare": "api",
    "load_many": "steps.route",
    "plan": "api",
    "train": "api",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import lightune` itself stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lightune' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"lightune.{_HOMES[name]}"), name)
