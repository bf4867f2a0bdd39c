"""`merge`, `combine`: the verbs that make new folders out of finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lightune.cli.app import app, print_json
from lightune.cli.learn import Json, Overwrite, Quiet, Seed
from lightune.cli.use import Backbone, Labels, RunFolder, told_by
from lightune.core.errors import UserError
from lightune.core.progress import Show


@app.command(epilog="Example: lightune merge runs/reviews-lora-1 --output merged")
def merge(
    run: RunFolder,
    output: Annotated[Path | None, typer.Option(help="the folder to write [RUN-merged]")] = None,
    gguf: Annotated[
        str | None, typer.Option(help="also a GGUF file of a Llama-like decoder that writes: f16, q8_0")
    ] = None,
    model: Backbone = None,
    labels: Labels = None,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fold an adapter into the weights, where that is exact: a plain transformers folder, for any program."""
    from lightune.steps.merge import merge

    place = output or run.resolve().with_name(f"{run.resolve().name}-merged")
    told = told_by(model, labels)
    result = merge(run, place, told=told, gguf=gguf, overwrite=overwrite, show=Show(is_quiet=quiet))
    if json:
        print_json(result)


@app.command(epilog="Example: lightune combine runs/a runs/b --weights 0.7,0.3 --output runs/both")
def combine(
    runs: Annotated[list[Path], typer.Argument(help="runs of one method and task on one backbone")],
    output: Annotated[Path, typer.Option(help="the run folder to write")],
    weights: Annotated[str | None, typer.Option(help="one for each run: 0.7,0.3 [all alike]")] = None,
    how: Annotated[
        str,
        typer.Option(
            help="cat (exact, ranks add up), linear (ia3), svd, ties, dare_linear, dare_ties; "
            "auto: what is exact"
        ),
    ] = "auto",
    density: Annotated[float, typer.Option(help="share of the weights that ties and dare keep")] = 0.5,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Add up the adapters of several runs into one run, weighted; their heads are averaged."""
    from lightune.steps.combine import Recipe, combine

    recipe = Recipe(_numbers(weights, len(runs)), how.replace("-", "_"), density, seed)
    result = combine(runs, output, recipe, overwrite=overwrite, show=Show(is_quiet=quiet))
    if json:
        print_json(result)


def _numbers(listed: str | None, number: int) -> tuple[float, ...]:
    """Weights with commas between them; equal shares where none were given."""
    if listed is None:
        return (1 / max(number, 1),) * number
    try:
        return tuple(float(part) for part in listed.split(","))
    except ValueError:
        raise UserError(f"--weights cannot be {listed!r}", hint="Give numbers, like 0.7,0.3.") from None
