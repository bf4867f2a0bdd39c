"""`compare`: the ladder."""

from __future__ import annotations

from typing import Annotated

import typer

from lightune.cli.app import app, print_json
from lightune.cli.learn import (
    Config,
    Data,
    Json,
    Label,
    Model,
    Output,
    Overwrite,
    Precision,
    Quiet,
    Seed,
    Task,
    Test,
    Text,
    Validation,
    _asked,
    _request,
)
from lightune.core.errors import UserError
from lightune.core.progress import Show

Rungs = Annotated[
    str | None,
    typer.Option(
        help="some rungs only: majority,naive_bayes,bag_of_words,tfidf_lr,ngram_models,word_vectors,"
        "lstm,crf,head,side,lora,full"
    ),
]
Sizes = Annotated[str | None, typer.Option(help="also a learning curve, on so many labels: 50,200,1000")]
Budget = Annotated[str | None, typer.Option(help="leave out the rungs that do not fit, like 10m")]


@app.command(epilog="Example: lightune compare reviews.csv --rungs tfidf_lr,head,lora --sizes 50,200")
def compare(
    data: Data,
    task: Task = "auto",
    text: Text = None,
    label: Label = None,
    model: Model = "auto",
    rungs: Rungs = None,
    sizes: Sizes = None,
    budget: Budget = None,
    validation: Validation = None,
    test: Test = None,
    output: Output = None,
    precision: Precision = "fast",
    seed: Seed = 0,
    overwrite: Overwrite = False,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Every generation of language model on your data, side by side: quality, time, size; which to use."""
    given = locals()
    from lightune.api import run_compare

    names = tuple(part.strip() for part in given.pop("rungs").split(",") if part.strip()) if rungs else ()
    numbers = _numbers(given.pop("sizes"))
    asked = {name: value for name, value in given.items() if name not in {"rungs", "sizes"}}
    request = _request(_asked(asked, config))
    summary = run_compare(request, Show(is_quiet=quiet), rungs=names, sizes=numbers)
    if json:
        print_json(summary)


def _numbers(sizes: str | None) -> tuple[int, ...]:
    """`50,200` as numbers.

    Raises:
        UserError: something else.
    """
    try:
        return tuple(int(part) for part in (sizes or "").split(",") if part.strip())
    except ValueError:
        raise UserError(
            f"--sizes cannot be {sizes!r}", hint="Give whole numbers, like 50,200,1000."
        ) from None
