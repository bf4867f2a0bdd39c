"""`lightune audit`: what one run, or two beside each other, gives away about the rows it was trained on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.randomness import generator
from lightune.core.rows import Example
from lightune.core.settings import read_toml
from lightune.core.tokens import Ints
from lightune.privacy.attack import exposure, likelihood_ratios, margins, measure_attack
from lightune.privacy.canaries import CANDIDATES, codes
from lightune.request import Request
from lightune.run import Run, load
from lightune.runs.folder import read_state
from lightune.steps.gather import Gathered, gather
from lightune.steps.reading import cache_as_before

if TYPE_CHECKING:
    from lightune.tasks.base import Task

MOST_ROWS = 2000  # of members, and of others
LEAST_ROWS = 30
REFERENCES = 8
CHEAP = "head"  # its references train in seconds on stored activations


@dataclass(frozen=True)
class Pool:
    """The data as the run saw it: numbers of the examples of its training, and of those held out."""

    gathered: Gathered
    members: Ints
    others: Ints

    @property
    def rows(self) -> Ints:
        """Members, then others."""
        return np.concatenate([self.members, self.others])


def audit(folders: Sequence[Path], data: str | None, show: Show, *, references: int | None) -> dict[str, Any]:
    """{runs: [{run, epsilon, attacks, canaries}]}: every run attacked on the same data.

    Raises:
        UserError: no run, the data are not what it was trained on, or there are too few rows.
    """
    found = []
    for folder in folders:
        state = read_state(folder)
        canaries = state.extra.get("canaries")
        if data is None and not canaries:
            raise UserError(
                "this run has no canaries, so the data it was trained on are needed",
                file=folder,
                hint="Give it: lightune audit RUN DATA",
            )
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        entry: dict[str, Any] = {"run": str(folder), "epsilon": metrics.get("privacy", {}).get("epsilon")}
        run = load(folder, show)
        if data is not None:
            entry["attacks"] = _membership(run, folder, data, references, show)
        if canaries:
            entry["canaries"] = _canaries(run, folder, canaries, show)
        found.append(entry)
    _show(found, show)
    return {"runs": found, "data": data}


def request_of(folder: Path, data: str) -> Request:
    """The request that made a run, on `data`, without its privacy."""
    known = read_toml(folder / "run.toml")
    run, mask = known["run"], known.get("privacy", {}).get("mask", "off")
    groups = {name: dict(known.get(name, {})) for name in ("data", "train", "method")}
    groups["data"].pop("source", None)
    groups["cache"] = cache_as_before(known)
    return Request(
        data=data,
        task=run["task"],
        text=tuple(run["text"]),
        label=run.get("label"),
        model=run["model"],
        method=run["method"],
        head=run["head"],
        validation=run.get("validation"),
        test=run.get("test"),
        seed=run["seed"],
        groups={**groups, "privacy": {"mask": mask}},
    )


def find_pool(folder: Path, gathered: Gathered) -> Pool:
    """Which examples the run was trained on, by its splits.json.

    Raises:
        UserError: the data are others, or too few rows were kept apart.
    """
    file = folder / "splits.json"
    try:
        parts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        hint = "Without it nobody can tell which rows were trained on: that is good, but there is no audit."
        raise UserError("the run has no splits.json", file=file, hint=hint) from None
    known = {
        name: {(source, row) for source, rows in parts.get(name, {}).items() for row in rows}
        for name in ("train", "validation", "test")
    }
    names = [(Path(one.file).name, one.row) for one in gathered.examples]
    members = np.array([place for place, name in enumerate(names) if name in known["train"]], dtype=np.int64)
    held = np.array([place for place, name in enumerate(names) if name in known["test"]], dtype=np.int64)
    if len(held) < LEAST_ROWS:  # validation rows chose the epoch, so they come second
        more = [place for place, name in enumerate(names) if name in known["validation"]]
        held = np.concatenate([held, np.array(more, dtype=np.int64)])
    if min(len(members), len(held)) < LEAST_ROWS:
        raise UserError(
            f"{len(members)} rows of its training and {len(held)} held-out rows are in this data; "
            f"{LEAST_ROWS} of each are needed",
            file=gathered.examples[0].file,
            hint="Give the data that the run was trained on, as it was.",
        )
    random = generator(0, 7)
    return Pool(gathered, *(np.sort(random.permutation(one)[:MOST_ROWS]) for one in (members, held)))


def row_losses(task: Task, logits: Any, targets: Any) -> np.ndarray:
    """(E,) the mean loss over the answers of each example."""
    return np.array(
        [task.mean_loss(logits[row : row + 1], targets[row : row + 1]) for row in range(len(logits))]
    )


def _membership(
    run: Run, folder: Path, data: str, references: int | None, show: Show
) -> list[dict[str, Any]]:
    request = request_of(folder, data)
    pool = find_pool(folder, gather(request, Show(is_quiet=True)))
    examples = pool.gathered.part(pool.rows)
    targets = run.task.targets(examples)
    losses = row_losses(run.task, run.outputs(examples), targets)
    number = len(pool.members)
    attacks = [measure_attack("loss", -losses[:number], -losses[number:])]
    wanted = references if references is not None else REFERENCES if request.method == CHEAP else 0
    if wanted and run.task.kind == "classes":
        scores = _ratios(request, pool, margins(losses), wanted, show)
        attacks.append(measure_attack(f"{wanted} references", scores[:number], scores[number:]))
    return [one.as_json() for one in attacks]


def _ratios(request: Request, pool: Pool, target: np.ndarray, number: int, show: Show) -> np.ndarray:
    """Scores by reference models of the same method, each trained on a random half of the pool."""
    from lightune.steps.folds import each_fold
    from lightune.steps.learn import predict_logits, resolve_descent
    from lightune.steps.prepare import choose_method, choose_model, prepare

    quiet, gathered = Show(is_quiet=True), pool.gathered
    source = choose_model(request, gathered, quiet)
    prepared = prepare(request, gathered, source, choose_method(request, gathered), quiet)
    descent = replace(resolve_descent(request, prepared, gathered, len(pool.rows) // 2), patience=0)
    random = generator(0, 8)
    halves = halves_of(len(pool.rows), number, random)
    found = []
    rows = [(pool.rows[half], pool.rows[:0]) for half in halves]
    with show.bar("training references", number) as bar:
        for _ in each_fold(prepared, gathered, descent, rows, quiet):
            logits = predict_logits(prepared, gathered.task, pool.rows)
            found.append(margins(row_losses(gathered.task, logits, prepared.targets[pool.rows])))
            bar.advance(1)
    return likelihood_ratios(target, np.stack(found), np.stack(halves))


def halves_of(num_rows: int, number: int, random: np.random.Generator) -> list[np.ndarray]:
    """(R, E) random halves, every second one what the one before left out: each row is in half of them."""
    firsts = [random.random(num_rows) < 0.5 for _ in range((number + 1) // 2)]
    return [half for first in firsts for half in (first, ~first)][:number]


def _canaries(run: Run, folder: Path, canaries: list[dict[str, Any]], show: Show) -> dict[str, Any]:
    """{trained, held}: mean exposure in bits of canaries that were trained on, and of those that were not."""
    parts = json.loads((folder / "splits.json").read_text(encoding="utf-8"))
    trained = {row for rows in parts.get("train", {}).values() for row in rows}
    found: dict[str, list[float]] = {"trained": [], "held": []}
    with show.bar("asking for canaries", len(canaries)) as bar:
        for one in canaries:
            others = [code for code in codes(CANDIDATES + 1, one["row"]) if code != one["code"]][:CANDIDATES]
            replies = [one["reply"].replace(one["code"], code) for code in (one["code"], *others)]
            examples = [_asked(run, one["prompt"], reply) for reply in replies]
            losses = row_losses(run.task, run.outputs(examples), run.task.targets(examples))
            part = "trained" if one["row"] in trained else "held"
            found[part].append(exposure(float(losses[0]), losses[1:]))
            bar.advance(1)
    return {
        "candidates": CANDIDATES + 1,
        **{
            name: {"number": len(bits), "bits": float(np.mean(bits)) if bits else None}
            for name, bits in found.items()
        },
    }


def _asked(run: Run, prompt: str, reply: str) -> Example:
    from lightune.core.rows import Row

    values = {run.state.text[0]: prompt, run.state.label: reply}
    return run.task.row_to_example(Row(0, values, ""), tuple(run.state.text), reply)


def _show(found: list[dict[str, Any]], show: Show) -> None:
    rows = []
    for entry in found:
        epsilon = f"{entry['epsilon']:.1f}" if entry["epsilon"] else "no promise"
        name = Path(entry["run"]).name
        for one in entry.get("attacks", ()):
            interval = f"{one['auc']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"
            rows.append((name, epsilon, one["name"], interval, f"{one['found']:.1%}", one["verdict"]))
        if canaries := entry.get("canaries"):
            for part in ("trained", "held"):
                if canaries[part]["number"]:
                    bits = f"{canaries[part]['bits']:.2f} of {np.log2(canaries['candidates']):.0f} bits"
                    said = f"{canaries[part]['number']} canaries, {part}"
                    rows.append((name, epsilon, said, bits, "", "guessing gives 1.4 bits"))
    header = ("run", "epsilon", "attack", "AUC (0.5: guessing)", "found at 1% false", "verdict")
    show.table("what it gives away about its training rows", header, rows)
