"""`explain`: why a run said what it said, and how far that picture can be believed."""

from __future__ import annotations

from typing import Annotated

import typer

from lightune.cli.app import GROUPS, app, print_json
from lightune.cli.learn import Json, Quiet, Seed
from lightune.cli.use import RunFolder, data_settings
from lightune.core.progress import Show

Texts = Annotated[
    list[str] | None, typer.Argument(help="texts; two for a run on pairs; a question and its options")
]


@app.command(epilog='Example: lightune explain runs/reviews-lora-1 "Light, warm and cheap." --page why.html')
def explain(
    run: RunFolder,
    texts: Texts = None,
    data: Annotated[str | None, typer.Option(help="a file of texts instead, or - for stdin")] = None,
    limit: Annotated[int, typer.Option(help="rows of the file to explain")] = 10,
    text: Annotated[str | None, typer.Option(help="the column of the file that holds the texts")] = None,
    word: Annotated[str, typer.Option(help="for tags and events: the word to explain [the surest]")] = "",
    examples: Annotated[int, typer.Option(help="training examples of each kind to show; 0: none")] = 3,
    next_token: Annotated[
        bool, typer.Option("--next-token", help="of a run that writes: the next token, not a whole reply")
    ] = False,
    page: Annotated[str | None, typer.Option(help="write this HTML file, too")] = None,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Which words speak for an answer, which training examples stand behind it, and whether to believe it."""
    from lightune.core.settings import build
    from lightune.engine.settings import CacheSettings
    from lightune.runs.settings import ReportSettings
    from lightune.steps.explain import Wanted, explain, lines

    columns = tuple(part.strip() for part in text.split(",")) if text else None
    cache = build(CacheSettings, "cache", GROUPS["cache"]) if "cache" in GROUPS else None
    quotes = build(ReportSettings, "report", GROUPS["report"]).examples if "report" in GROUPS else None
    wanted = Wanted(
        tuple(texts or ()),
        data,
        limit,
        columns,
        word,
        examples,
        next_token=next_token,
        seed=seed,
        page=page,
        cache=cache,
        quotes=quotes,
    )
    result = explain(run, wanted, data_settings(), Show(is_quiet=quiet))
    if json:
        print_json(result)
        return
    print("\n".join(lines(result)))
