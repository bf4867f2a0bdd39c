"""`lightune merge`: an adapter folded into the weights, as a plain transformers folder that needs no adapter.

Only where that is exact: the logits before and after are compared, and what differs is refused.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightune.core.errors import UserError
from lightune.core.progress import Show
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
    import torch

    from lightune.backbones.transformer import Transformer

MOST_DIFFERENCE = 1e-5  # of the largest logit


def merge(
    folder: Path, output: Path, *, told: Told, gguf: str | None, overwrite: bool, show: Show
) -> dict[str, Any]:
    """Write the run's network with its adapter folded in; the JSON object of `lightune merge`.

    Args:
        gguf: `f16` or `q8_0` writes a GGUF file of the model too.

    Raises:
        UserError: the change cannot be written into weights, or not exactly; or the output exists.
    """
    from lightune.backbones import gguf_writer
    from lightune.runs.parts import method_of

    state = read_state(folder, told)
    require_free_output(output, overwrite=overwrite)
    method = method_of(state)
    if method.apart:
        problem = f"a run of the method {state.method} cannot be merged: it has {method.apart}"
        raise UserError(problem, file=folder, hint="Use it as it is, with lightune predict.")
    if gguf is not None:
        gguf_writer.require_kind(gguf)
    run = open_run(folder, show, told)
    backbone = run.backbone
    if run.state.head != "standard" and not backbone.spec.is_vector:
        problem = f"the head {run.state.head!r} is lightune's own, which transformers does not have"
        raise UserError(problem, file=folder, hint="Train with --head standard to merge the result.")
    if gguf is not None:
        gguf_writer.require_writable(backbone.model, backbone.tokenizer, folder)
    difference = fold(run)
    files = _write(run, output, gguf, overwrite=overwrite)
    show.note(f"merged: {output} (largest change of a logit: {difference:.1e})")
    return {"output": str(output), "method": state.method, "largest_difference": difference, "files": files}


def fold(run: Run) -> float:
    """Fold the adapter into the weights; the largest change of a logit, as a share of the largest one.

    Raises:
        UserError: it is not exact, or peft cannot.
    """
    backbone = run.backbone
    backbone.model.eval()
    before = _logits(backbone)
    try:
        run.method.fold(backbone)
    except (NotImplementedError, ValueError, AttributeError, RuntimeError) as error:
        first = str(error).splitlines()[0] if str(error) else "it has no way to"
        raise UserError(f"peft cannot merge {run.state.method}: {first}", file=run.folder) from None
    _require_plain(backbone, run.folder)
    difference = float((before - _logits(backbone)).abs().max() / before.abs().max().clamp(min=1.0))
    if not difference <= MOST_DIFFERENCE:
        problem = f"merging {run.state.method} would change the answers (a logit by {difference:.1e})"
        raise UserError(problem, file=run.folder, hint="Use the run as it is, with lightune predict.")
    return difference


def _require_plain(backbone: Transformer, folder: Path) -> None:
    """Raise `UserError` where parameters are left that transformers does not make for the configuration."""
    import torch

    plain: Any = backbone.base if backbone.spec.is_vector else backbone.model
    with torch.device("meta"):
        expected = {name for name, _ in type(plain)(plain.config).named_parameters()}
    odd = {name for name, _ in plain.named_parameters()} - expected
    if odd:
        raise UserError(f"peft cannot merge this adapter: {min(odd)} is left beside the weights", file=folder)


def _logits(backbone: Transformer) -> torch.Tensor:
    import torch

    with torch.no_grad():
        return backbone.forward(backbone.two_texts()).float()


def _write(run: Run, output: Path, gguf: str | None, *, overwrite: bool) -> list[str]:
    """The folder, whole or not at all; the names of its files."""
    from lightune.backbones import gguf_writer
    from lightune.backbones.digests import digest
    from lightune.backbones.loading import quiet_transformers
    from lightune.methods.full import Full

    backbone, work = run.backbone, work_folder(output)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    plain: Any = backbone.base if backbone.spec.is_vector else backbone.model
    if backbone.spec.is_language_model:
        plain.config.use_cache = True
    whole = Full(Full.Settings(), run.state.head)
    with quiet_transformers():
        plain.save_pretrained(work)
    backbone.tokenizer.save_pretrained(work)
    if gguf is not None:
        gguf_writer.write_gguf(backbone.model, backbone.tokenizer, work / f"model-{gguf}.gguf", gguf)
    state = RunState(
        **{
            **vars(run.state),
            "method": "full",
            "method_settings": {},
            "identifier": str(output.resolve()),
            "digest": digest(work),
            "model": output.name,
            "extra": {"merged_from": str(run.folder)},
        }
    )
    write_state(work, state, {"run": {"task": state.task, "merged_from": str(run.folder)}}, run.metrics)
    write_card(work / "README.md", _card(run, output, whole.loading_code(backbone)))
    finish(work, output, replace=overwrite)
    return sorted(file.name for file in output.iterdir())


def _card(run: Run, output: Path, code: str) -> Card:
    parts = run.metrics.get("metrics", {})
    name = "test" if "test" in parts else "validation"
    intervals = run.metrics.get("intervals", {}).get(name, {})
    return Card(
        title=output.name,
        task=run.state.task,
        method=f"{run.state.method}, merged",
        model=run.state.model,
        labels=list(run.labels) if run.task.kind == "classes" else [],
        metrics=parts.get(name, {}),
        intervals={key: tuple(pair) for key, pair in intervals.items()},
        loading=code,
        decisions=[("merged", str(run.folder.name), "the adapter is folded into the weights")],
        language=run.state.language,
        is_peft=False,
    )
