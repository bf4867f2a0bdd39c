"""`mask`, `unmask`, `audit`: what data and runs give away about people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lightune.cli.app import GROUPS, app, print_json
from lightune.cli.learn import Json, Quiet
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.settings import build

Rows = Annotated[str, typer.Argument(help="a file of rows, or the name of a data set")]
Written = Annotated[str, typer.Option(help="the .csv, .tsv, .jsonl or .parquet file to write")]


@app.command(epilog="Example: lightune mask letters.csv --output masked.csv --key letters.key")
def mask(
    data: Rows,
    output: Written,
    key: Annotated[
        str | None, typer.Option(help="a file to keep what the placeholders stand for, for `unmask`")
    ] = None,
    names: Annotated[
        str | None, typer.Option(help="a run of the task tag that finds more names of people")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Personal data replaced by placeholders such as [PHONE_1], in every column: English and Chinese."""
    from lightune.data.settings import DataSettings
    from lightune.steps.mask import mask_file

    settings = build(DataSettings, "data", GROUPS.get("data", {}))
    result = mask_file(data, output, settings, Show(is_quiet=quiet), key=key, names=names)
    if json:
        print_json(result)


@app.command(epilog="Example: lightune unmask masked.csv --key letters.key --output letters.csv")
def unmask(
    data: Rows,
    output: Written,
    key: Annotated[str, typer.Option(help="the key file that `lightune mask` wrote")],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What placeholders stand for, put back in from the key file."""
    from lightune.data.settings import DataSettings
    from lightune.steps.mask import unmask_file

    settings = build(DataSettings, "data", GROUPS.get("data", {}))
    result = unmask_file(data, output, key, settings, Show(is_quiet=quiet))
    if json:
        print_json(result)


@app.command(epilog="Example: lightune audit runs/reviews-head-1 reviews.csv")
def audit(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN [RUN] [DATA]", help="one run or two, and the data")
    ],
    canaries: Annotated[
        bool, typer.Option("--canaries", help="the canaries of the run alone (train --privacy.canaries 20)")
    ] = False,
    references: Annotated[
        int | None, typer.Option(min=0, help="models to train for the likelihood ratio [head: 8, others: 0]")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Whether a run gives away which rows it was trained on, by attacks on its own training data."""
    from lightune.steps.audit import audit

    folders, data = (runs, None) if canaries else (runs[:-1], runs[-1])
    if not folders:
        raise UserError(
            "a run and its data are needed", hint="Like: lightune audit runs/reviews-head-1 reviews.csv"
        )
    result = audit([Path(one) for one in folders], data, Show(is_quiet=quiet), references=references)
    if json:
        print_json(result)
