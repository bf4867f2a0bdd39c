"""What a person asked for, checked but not yet worked out: the flags of `train` and `plan`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.settings import Settings, build
from lightune.data.settings import DataSettings
from lightune.engine.sealed import require_key
from lightune.engine.settings import CacheSettings, SpeedSettings, TrainSettings, parse_seconds, parse_size
from lightune.privacy.settings import PrivacySettings, require_fit
from lightune.runs.settings import ReportSettings

HEADS = ("auto", "standard", "mean", "attention", "first", "last")
PRECISIONS = ("exact", "fast")
SHARED: dict[str, tuple[type[Settings], str]] = {
    "train": (TrainSettings, "the training loop"),
    "speed": (SpeedSettings, "fewer and cheaper steps"),
    "data": (DataSettings, "reading and splitting"),
    "cache": (CacheSettings, "the activation store"),
    "privacy": (PrivacySettings, "what the run gives away"),
    "report": (ReportSettings, "the run's report"),
}
"""Settings groups that every method has: name -> (settings, what they are about)."""
GROUPS = (*SHARED, "method")
SLOW_BUT_SURE = "lora"


def check_precision(name: str) -> str:
    """The precision, if it is one."""
    if name not in PRECISIONS:
        raise UserError(f"unknown precision {name!r}", hint=f"Known: {', '.join(PRECISIONS)}.")
    return name


@dataclass(frozen=True)
class Request:
    """One `train` or `plan` as asked for. Everything has a default but the data."""

    data: str
    task: str = "auto"
    text: tuple[str, ...] | None = None
    label: str | None = None
    model: str = "auto"
    method: str = "auto"
    head: str = "auto"
    budget: str | None = None
    memory: str | None = None
    validation: str | None = None
    test: str | None = None
    output: str | None = None
    precision: str = "fast"
    seed: int = 0
    folds: int = 0
    seeds: int = 0
    resume: bool = False
    overwrite: bool = False
    start: str | None = None
    labels: tuple[str, ...] | None = None
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what can be checked without reading anything.

        Raises:
            UserError: an unknown task, method, head, setting, or a value out of range.
        """
        from lightune import tasks

        if not self.data:
            raise UserError("no data was named", hint="Give a file, a folder, or the name of a data set.")
        for group in self.groups:
            if group not in GROUPS:
                raise UserError(f"unknown settings group {group!r}", hint=f"Known: {', '.join(GROUPS)}.")
        if self.task != "auto":
            self.check_name(tasks, self.task)
        if self.head not in HEADS:
            raise UserError(f"unknown head {self.head!r}", hint=f"Known: {', '.join(HEADS)}.")
        check_precision(self.precision)
        self.method_settings(self.method_name)
        for group, (kind, _) in SHARED.items():
            build(kind, group, self.groups.get(group, {}))
        require_fit(self.privacy, self.groups.get("train", {}), repeats=self.folds or self.seeds)
        if self.privacy.is_private and (self.speed.skip_below or self.speed.later_layers is not None):
            hint = "Leave --speed out of a private run."
            raise UserError(
                "--speed chooses rows and layers by what training has seen, without noise", hint=hint
            )
        if self.cache.encrypt:
            require_key()
        if self.budget is not None:
            parse_seconds(self.budget)
        if self.memory is not None:
            parse_size(self.memory)
        for name, number, usual in (("folds", self.folds, 5), ("seeds", self.seeds, 3)):
            if number < 0 or number == 1:
                raise UserError(f"--{name} cannot be {number}", hint=f"Give 2 or more ({usual} is usual).")
        if not 0 <= self.seed < 2**63:
            raise UserError(f"--seed cannot be {self.seed}", hint="Give a whole number from 0 up.")

    @staticmethod
    def check_name(package: Any, name: str) -> None:
        """Raise `UserError` when the folder has no such plugin."""
        from lightune.methods.base import Method
        from lightune.tasks.base import Task

        plugins.load(package, name, Task if package.__name__.endswith("tasks") else Method)

    @property
    def method_name(self) -> str:
        """The method asked for; `auto` is LoRA where a race cannot be decided."""
        return SLOW_BUT_SURE if self.method == "auto" else self.method.replace("-", "_")

    @property
    def train(self) -> TrainSettings:
        """`--train.*`."""
        return build(TrainSettings, "train", self.groups.get("train", {}))

    @property
    def speed(self) -> SpeedSettings:
        """`--speed.*`."""
        return build(SpeedSettings, "speed", self.groups.get("speed", {}))

    @property
    def data_settings(self) -> DataSettings:
        """`--data.*`."""
        return build(DataSettings, "data", self.groups.get("data", {}))

    @property
    def cache(self) -> CacheSettings:
        """`--cache.*`."""
        return build(CacheSettings, "cache", self.groups.get("cache", {}))

    @property
    def privacy(self) -> PrivacySettings:
        """`--privacy.*`."""
        return build(PrivacySettings, "privacy", self.groups.get("privacy", {}))

    @property
    def report(self) -> ReportSettings:
        """`--report.*`."""
        return build(ReportSettings, "report", self.groups.get("report", {}))

    @property
    def shows_texts(self) -> bool:
        """Whether the report may quote rows of the data: not those of a private run, unless asked."""
        asked = self.report.examples
        return asked == "on" or (asked == "auto" and not self.privacy.hides_texts)

    def method_settings(self, name: str) -> Any:
        """`--method.*`, checked against the method called `name`."""
        from lightune import methods
        from lightune.methods.base import Method

        kind = plugins.load(methods, name, Method)  # type: ignore[type-abstract]
        if kind.unfit and self.start is None:
            raise UserError(f"no training can start with {name}: {kind.unfit}", hint="Try --method lora.")
        return build(kind.Settings, "method", self.groups.get("method", {}))

    def fingerprint(self) -> str:
        """The same for two requests that must give the same run."""
        known = asdict(self)
        for name in ("output", "resume", "overwrite"):
            known.pop(name)
        known["data"] = str(Path(self.data).absolute()) if Path(self.data).exists() else self.data
        return hashlib.blake2b(
            json.dumps(known, sort_keys=True, default=str).encode(), digest_size=8
        ).hexdigest()
