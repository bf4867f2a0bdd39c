"""The training examples behind an answer, from what the last layer reads of them, stored as activations."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune.backbones.base import Tap
from lightune.backbones.encode import Limits
from lightune.backbones.precision import kernel_name
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Example
from lightune.core.tokens import Batch, Tokens, pool_windows
from lightune.data.columns import find_columns
from lightune.data.profile import label_profile
from lightune.data.read import read
from lightune.data.settings import DataSettings
from lightune.engine import activations as store
from lightune.engine.predict import READ_TOKENS, Reading
from lightune.engine.settings import CacheSettings
from lightune.explain.influence import Answers, errors_of, influence, joined, last_layer
from lightune.explain.neighbours import directions, nearest
from lightune.privacy.settings import PrivacySettings
from lightune.run import Run
from lightune.steps.gather import examples_of
from lightune.steps.mask import masked_table
from lightune.steps.reading import cache_as_before
from lightune.steps.states import gather_vectors

if TYPE_CHECKING:
    import torch

KINDS = {"classes", "labels", "number"}


@dataclass
class Influences:
    """A run's training examples, and what its last layer reads of them.

    Attributes:
        shows_texts: whether they may be quoted: not those of a private run, unless asked.
    """

    run: Run
    examples: list[Example]
    known: Answers
    shows_texts: bool = True

    def of(self, example: Example, number: int) -> dict[str, Any]:
        """{influence, against, neighbours}: training examples of one with scores, the strongest first."""
        features, logits = _looked_at(self.run, [example], None)
        chosen = _chosen(self.run.task.kind, logits)
        text = Answers(features, errors_of(self.run.task.kind, logits, chosen))
        scores = influence(self.known, text)
        scores = scores / max(float(np.abs(scores).max()), 1e-12)
        order = np.argsort(-scores, kind="stable")
        strongest = {"influence": order[:number], "against": order[::-1][:number]}
        moved = directions(np.concatenate([self.known.features, features]))
        places, cosines = nearest(moved[-1:], moved[:-1], number)
        return {
            **{
                name: [self._row(int(place), float(scores[place])) for place in some]
                for name, some in strongest.items()
            },
            "neighbours": [
                self._row(int(place), float(cosine))
                for place, cosine in zip(places[0], cosines[0], strict=True)
            ],
        }

    def _row(self, place: int, score: float) -> dict[str, Any]:
        one = self.examples[place]
        return {
            "score": score,
            "texts": list(one.texts) if self.shows_texts else [],
            "gold": self.run.task.gold_answer(one),
            "row": one.row,
            "file": one.file,
            "line": one.line,
        }


def _chosen(kind: str, logits: np.ndarray) -> np.ndarray:
    """Targets that say what the run said; the other way for a number, whose error would be none."""
    if kind == "number":
        return logits - 1
    return (logits > 0).astype(float) if kind == "labels" else logits.argmax(axis=1)


def training_influences(
    run: Run, show: Show, cache: CacheSettings | None = None, examples: str | None = None
) -> Influences | None:
    """The examples that the run was trained on; None, with the reason, where they cannot be looked at.

    The first time they are read through the run's network; after that they come from the store.

    Args:
        cache: whether and how they may be stored; None: as the run did.
        examples: whether they may be quoted, as `--report.examples` says it; None: as the run did.
    """
    if run.task.kind not in KINDS:
        return None
    try:
        rows = training_examples(run)
    except UserError as error:
        show.warn(f"the training examples are not shown: {error.problem}")
        return None
    targets = run.task.targets(rows)
    features, logits = _looked_at(run, rows, (cache or _cache_of(run), show))
    known = Answers(features, errors_of(run.task.kind, logits, targets))
    return Influences(run, rows, known, _shows_texts(run, examples))


def _shows_texts(run: Run, asked: str | None) -> bool:
    """Whether training rows may be quoted, by what was asked for, else by the run's own settings."""
    known = tomllib.loads((run.folder / "run.toml").read_text(encoding="utf-8"))
    asked = asked or known.get("report", {}).get("examples", "auto")
    fields = {
        key: one for key, one in known.get("privacy", {}).items() if key in PrivacySettings.model_fields
    }
    return asked == "on" or (asked == "auto" and not PrivacySettings(**fields).hides_texts)


def _cache_of(run: Run) -> CacheSettings:
    """As the run was trained: what it did not want stored is not stored later either."""
    known = tomllib.loads((run.folder / "run.toml").read_text(encoding="utf-8"))
    return CacheSettings(**cache_as_before(known))


def training_examples(run: Run) -> list[Example]:
    """The rows that the run was trained on, read again from where they were.

    Raises:
        UserError: they are not there any more, or not the same.
    """
    known = tomllib.loads((run.folder / "run.toml").read_text(encoding="utf-8"))
    data = known["data"]
    source = data.pop("source")
    chosen = {name: value for name, value in data.items() if name in DataSettings.model_fields}
    table = read(source, DataSettings(**chosen)).train
    if run.state.extra.get("masks"):
        table = masked_table(table, run.state.text)
    columns = find_columns(table, tuple(known["run"]["text"]), known["run"]["label"] or None)
    assert columns.label is not None, "these kinds of tasks have labels"
    profile = label_profile(table, columns.label, delimiter=chosen.get("delimiter", ""))
    wanted = _rows_of(run.folder)
    found = [
        one
        for one in examples_of(run.task, table.rows, columns, profile)
        if one.row in wanted.get(Path(one.file).name, ()) and one.gold is not None
    ]
    if not found or len(found) < sum(map(len, wanted.values())):
        raise UserError("the training data has changed since the run was trained", file=source)
    return found


def _rows_of(folder: Path) -> dict[str, set[int]]:
    import json

    splits = json.loads((folder / "splits.json").read_text(encoding="utf-8"))
    return {name: set(rows) for name, rows in splits.get("train", {}).items()}


def _looked_at(
    run: Run, examples: list[Example], storing: tuple[CacheSettings, Show] | None
) -> tuple[np.ndarray, np.ndarray]:
    """(E, F) what the last layer reads, and (E, C) logits; stored where that is said, and not off."""
    tokens = run.task.encode(run.backbone.tokenizer, examples, Limits(**run.state.limits)).tokens
    num_outputs = max(1, len(run.task.labels))

    def look(batch: Batch) -> torch.Tensor:
        import torch

        with torch.no_grad(), last_layer(run.backbone.model, num_outputs) as kept:
            logits = run.method.forward(run.backbone, batch).float()
        return torch.cat([joined(kept, batch), logits], dim=1)

    def by_example(batch: Batch) -> torch.Tensor:
        return pool_windows(look(batch) if stored is None else stored.read(batch), batch)

    stored = None if storing is None or storing[0].off else _store(run, tokens, look, *storing)
    rows = np.arange(len(examples))
    found = gather_vectors(by_example, tokens, rows, Reading(run.backbone.pad_id, run.backbone.device))
    return found[:, :-num_outputs], found[:, -num_outputs:]


def _store(run: Run, tokens: Tokens, look: Any, cache: CacheSettings, show: Show) -> store.StoredActivations:
    """What `look` gives for every sequence, from the activation store; put there where it is missing."""
    probe = tokens.batch(np.arange(1), pad_id=run.backbone.pad_id, device=run.backbone.device)
    tap = Tap(run.backbone.depth, "mean")
    space = store.Space(
        backbone=str(run.folder),
        digest=_digest(run),
        depth=run.backbone.depth,
        reduction="last layer",
        dtype="float32",
        kernel=kernel_name(run.backbone.device, "float32"),
        width=look(probe).shape[1],
        is_sealed=cache.encrypt,
    )
    filling = store.Filling(tokens, {tap: space})
    with show.bar("reading the training examples", tokens.num_tokens) as bar:
        filled = store.fill(
            run.backbone, filling, lambda batch, _: {tap: look(batch)}, batch_tokens=READ_TOKENS, bar=bar
        )
    return filled.activations[tap]


def _digest(run: Run) -> str:
    """What the run's weights, and its backbone's, hash to."""
    found = hashlib.blake2b(run.state.digest.encode(), digest_size=16)
    for name in run.state.extra.get("weights", ()):
        found.update((run.folder / name).read_bytes())
    return found.hexdigest()
