"""`lightune combine`: several adapters of one backbone into one, by peft's weighted sums.

Cat: W = sum of w_i * B_i A_i, of runs with different seeds a model soup (Wortsman et al. 2022,
arXiv:2203.05482); linear: sums of A and of B apart; TIES: Yadav et al. 2023, arXiv:2306.01708; DARE: Yu et
al. 2023, arXiv:2311.03099. Heads are averaged with the same weights, made to sum up to 1.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightune import methods
from lightune.core import plugins
from lightune.core.errors import UserError, nearest
from lightune.core.progress import Show
from lightune.core.settings import build
from lightune.methods.base import Method
from lightune.run import Run, open_run
from lightune.runs.card import Card, write_card
from lightune.runs.folder import (
    RunState,
    Told,
    finish,
    read_state,
    require_free_output,
    work_folder,
    write_state,
)

if TYPE_CHECKING:
    from torch import nn

HOW = ("auto", "cat", "linear", "svd", "ties", "dare_linear", "dare_ties")
PRUNING = {"ties", "dare_linear", "dare_ties"}
SUMMED = {"lora", "rslora", "ia3"}  # what peft adds up; of DoRA it would leave the magnitudes out
MADE = "combined"


@dataclass(frozen=True)
class Recipe:
    """How adapters are added up: a weight each, peft's name of the sum, the share that pruning keeps.

    `how` auto is the exact sum. Peft's linear one sums A and B apart, so that the B of one run multiplies
    the A of another: three LoRA runs on movie sentences 0.8525, exactly 0.8595 (2026-12).
    """

    weights: tuple[float, ...]
    how: str = "auto"
    density: float = 0.5
    seed: int = 0


def combine(
    folders: Sequence[Path], output: Path, recipe: Recipe, *, overwrite: bool, show: Show
) -> dict[str, Any]:
    """Write one run out of several; the JSON object of `lightune combine`.

    Raises:
        UserError: runs that do not go together (backbone, method, task, labels, tokenizer), weights that make
            no sense, a sum that the method does not have, or an output that exists.
    """
    _require_recipe(recipe, len(folders))
    states = [read_state(folder) for folder in folders]
    for folder, state in zip(folders[1:], states[1:], strict=True):
        _require_alike(folders[0], states[0], folder, state)
    if states[0].method not in SUMMED:
        problem = f"peft cannot add up adapters of the method {states[0].method}"
        raise UserError(problem, file=folders[0], hint=f"It can with: {', '.join(sorted(SUMMED))}.")
    if recipe.how == "auto":
        recipe = replace(recipe, how="linear" if states[0].method == "ia3" else "cat")
    _require_rank(folders[0], states, recipe)
    require_free_output(output, overwrite=overwrite)
    run = open_run(folders[0], show, Told())
    _add_up(run, folders, states, recipe)
    work = work_folder(output)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    _save(run, work)
    state = _state(run, folders, states, recipe)
    write_state(work, state, {"run": {"task": state.task}, "combined": _told(folders, recipe)}, {})
    write_card(work / "README.md", _card(run, state, folders, recipe, output))
    finish(work, output, replace=overwrite)
    show.note(f"combined: {output}; measure it with: lightune evaluate {output} DATA")
    return {"output": str(output), **_told(folders, recipe), "method": state.method, "task": state.task}


def _require_recipe(recipe: Recipe, number: int) -> None:
    if number < 2:
        raise UserError("there is nothing to combine", hint="Name two runs or more.")
    if len(recipe.weights) != number:
        raise UserError(f"there are {number} runs and {len(recipe.weights)} weights", hint="Give one each.")
    if recipe.how not in HOW:
        raise UserError(f"unknown way to combine {recipe.how!r}", hint=nearest(recipe.how, HOW))
    if sum(recipe.weights) <= 0:
        raise UserError("the weights sum up to nothing", hint="Give weights such as 0.7,0.3.")
    if not 0 < recipe.density <= 1:
        raise UserError(f"--density cannot be {recipe.density:g}", hint="Give a share, like 0.5.")


def _require_alike(first: Path, one: RunState, second: Path, other: RunState) -> None:
    """Raise `UserError` where two runs differ in what a sum needs alike."""
    pairs = {
        "backbone": (one.digest, other.digest),
        "method": (one.method, other.method),
        "task": (one.task, other.task),
        "head": (one.head, other.head),
        "labels": (list(one.task_state["labels"]), list(other.task_state["labels"])),
        "tokenizer": (one.extra.get("tokenizer_digest"), other.extra.get("tokenizer_digest")),
        "scale of answers": [(s.task_state.get("mean"), s.task_state.get("spread")) for s in (one, other)],
    }
    for what, (mine, theirs) in pairs.items():
        if mine != theirs:
            problem = f"its {what} is not that of {first}: {theirs}, not {mine}"
            raise UserError(problem, file=second, hint="Adapters add up on one backbone, for one task.")


def _require_rank(first: Path, states: Sequence[RunState], recipe: Recipe) -> None:
    """Raise `UserError` where ranks add up to more than the method opens with."""
    ranks = [int(state.method_settings.get("rank") or 0) for state in states]
    kind = plugins.load(methods, states[0].method, Method)  # type: ignore[type-abstract]
    if recipe.how != "cat" or not all(ranks):
        return
    try:
        build(kind.Settings, "method", {**states[0].method_settings, "rank": sum(ranks)})
    except UserError:
        problem = f"ranks of {sum(ranks)} together are more than {states[0].method} opens with"
        raise UserError(problem, file=first, hint="Give --how svd: it keeps the largest rank.") from None


def _add_up(run: Run, folders: Sequence[Path], states: Sequence[RunState], recipe: Recipe) -> None:
    """Load the other adapters beside the first, add all up as `MADE`, and average the heads."""
    import torch

    from lightune.runs.parts import source_of

    wrapped = run.backbone.peft_model
    names = ["default"]
    for number, (folder, state) in enumerate(zip(folders[1:], states[1:], strict=True), start=1):
        source_of(folder, state, Show(is_quiet=True))  # its files are looked at as those of the first were
        names.append(f"other{number}")
        wrapped.load_adapter(str(folder), adapter_name=names[-1])
    more: dict[str, Any] = {}
    if run.state.method == "ia3":
        if recipe.how != "linear":
            raise UserError("ia3's factors add up linearly only", hint="Give --how linear.")
    else:
        more["combination_type"] = recipe.how
        more |= {"density": recipe.density} if recipe.how in PRUNING else {}
        # The sum holds each adapter's scale already: with rank-stabilised LoRA's it would be scaled twice.
        wrapped.peft_config[names[0]].use_rslora = False
    saved = _take_copies(run, names)
    torch.manual_seed(recipe.seed)
    try:
        wrapped.base_model.add_weighted_adapter(names, list(recipe.weights), MADE, **more)
    except (ValueError, NotImplementedError) as error:
        hint = "Different ranks add up with --how cat or svd."
        raise UserError(f"peft cannot add these up: {str(error).splitlines()[0]}", hint=hint) from None
    shares = [weight / sum(recipe.weights) for weight in recipe.weights]
    _average_heads(run, folders, saved, shares)


def _take_copies(run: Run, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Path -> the weights of each adapter's copy of a module that is saved whole: a head, a pooler.

    The copies of all but the first are taken away: peft adds nothing up beside several.
    """
    found = {}
    for path, module in run.backbone.model.named_modules():
        copies: nn.ModuleDict | None = getattr(module, "modules_to_save", None)
        if copies is not None and names[0] in copies:
            found[path] = [copies[name].state_dict() for name in names]
            for name in names[1:]:
                del copies[name]
    return found


def _average_heads(
    run: Run, folders: Sequence[Path], saved: dict[str, list[dict[str, Any]]], shares: list[float]
) -> None:
    """The modules that are saved whole, and a head of lightune's own: weighted means."""
    from lightune.methods._injected import HEAD_FILE

    for path, states in saved.items():
        copies: Any = run.backbone.model.get_submodule(path).modules_to_save
        copies[MADE].load_state_dict(_mean(states, shares))
    if run.state.head != "standard":
        from safetensors.torch import load_file

        heads = [load_file(folder / HEAD_FILE) for folder in folders]
        run.backbone.model.get_submodule("head").load_state_dict(_mean(heads, shares))


def _mean(states: Sequence[dict[str, Any]], shares: Sequence[float]) -> dict[str, Any]:
    return {
        name: sum(share * state[name] for share, state in zip(shares, states, strict=True))
        for name in states[0]
    }


def _save(run: Run, work: Path) -> None:
    """A standard adapter folder: peft keeps one that is not called default in a folder of its name."""
    from lightune.methods._injected import HEAD_FILE

    wrapped = run.backbone.peft_model
    wrapped.peft_config[MADE].base_model_name_or_path = run.backbone.identifier
    wrapped.peft_config[MADE].inference_mode = True
    wrapped.save_pretrained(work, selected_adapters=[MADE], save_embedding_layers=run.backbone.is_resized)
    for file in (work / MADE).iterdir():
        file.replace(work / file.name)
    (work / MADE).rmdir()
    if run.state.head != "standard":
        from safetensors.torch import save_file

        save_file(run.backbone.model.get_submodule("head").state_dict(), work / HEAD_FILE)
    run.backbone.tokenizer.save_pretrained(work)


def _state(run: Run, folders: Sequence[Path], states: Sequence[RunState], recipe: Recipe) -> RunState:
    """That of the first run; a temperature that was fitted to one adapter's logits is not kept."""
    from lightune.runs.parts import tokenizer_digest

    settings = dict(states[0].method_settings)
    rank = getattr(run.backbone.peft_model.peft_config[MADE], "r", None)
    if rank is not None and "rank" in settings:
        settings["rank"] = rank
    run.task.adopt(states[0].task_state)
    widest = max(states, key=lambda state: int(state.limits.get("max_length", 0)))
    extra: dict[str, Any] = {"combined": _told(folders, recipe)}
    if states[0].extra.get("has_own_tokenizer"):
        extra |= {"has_own_tokenizer": True}
    else:
        extra |= {"tokenizer_digest": tokenizer_digest(run.backbone.tokenizer_folder)}
    return replace(
        states[0],
        task_state=run.task.state(),
        method_settings=settings,
        limits=widest.limits or run.state.limits,
        extra=extra,
    )


def _told(folders: Sequence[Path], recipe: Recipe) -> dict[str, Any]:
    found = {"runs": [str(folder) for folder in folders], "weights": list(recipe.weights), "how": recipe.how}
    return found | ({"density": recipe.density} if recipe.how in PRUNING else {})


def _card(run: Run, state: RunState, folders: Sequence[Path], recipe: Recipe, output: Path) -> Card:
    rows = [
        (folder.name, f"{weight:g}", "its weight in the sum")
        for folder, weight in zip(folders, recipe.weights, strict=True)
    ]
    return Card(
        title=output.name,
        task=state.task,
        method=f"{state.method}, combined ({recipe.how})",
        model=state.model,
        labels=list(run.labels) if run.task.kind == "classes" else [],
        loading=run.method.loading_code(run.backbone),
        decisions=rows,
        language=state.language,
    )
