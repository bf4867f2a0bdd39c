"""`extract`: the verb that chains runs, from texts to entities, relations and events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lightune.cli.app import app, print_json
from lightune.cli.learn import Json, Quiet
from lightune.cli.use import NewData, data_settings
from lightune.core.progress import Show


@app.command(
    epilog="Example: lightune extract news.txt --entities runs/names --relations runs/relations "
    "--output facts.jsonl --page facts.html"
)
def extract(
    texts: NewData,
    entities: Annotated[Path, typer.Option(help="a run of the task tag")],
    relations: Annotated[Path | None, typer.Option(help="a run of the task relation")] = None,
    events: Annotated[Path | None, typer.Option(help="a run of the task event")] = None,
    text: Annotated[str | None, typer.Option(help="the text column")] = None,
    output: Annotated[
        str | None, typer.Option(help="a .jsonl, .csv, .tsv or .parquet file [JSON lines on stdout]")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="an .html page that shows what was found")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Entities of texts, the relations of all pairs in a sentence, and events, by finished runs."""
    from lightune.steps.extract import Folders, Places, extract

    result = extract(
        Folders(entities, relations, events),
        texts,
        text=text,
        settings=data_settings(),
        places=Places(output, page, is_json=json),
        show=Show(is_quiet=quiet),
    )
    if json:
        print_json(result)
