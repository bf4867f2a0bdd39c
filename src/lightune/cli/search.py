"""`search`: the nearest texts of a corpus, by a run that makes vectors."""

from __future__ import annotations

from typing import Annotated

import typer

from lightune.cli.app import app, print_json
from lightune.cli.learn import Json, Quiet
from lightune.cli.use import RunFolder, data_settings
from lightune.core.progress import Show

Corpus = Annotated[str, typer.Argument(help="a file of texts to search in, or - for standard input")]


@app.command(epilog='Example: lightune search runs/pairs-lora-1 corpus.csv --query "how to install"')
def search(
    run: RunFolder,
    corpus: Corpus,
    query: Annotated[str | None, typer.Option(help="the text to look for")] = None,
    queries: Annotated[str | None, typer.Option(help="a file of texts to look for")] = None,
    top: Annotated[int, typer.Option(help="how many texts to give for each")] = 5,
    text: Annotated[str | None, typer.Option(help="the column of the corpus that holds the texts")] = None,
    query_text: Annotated[str | None, typer.Option(help="the column of the queries")] = None,
    output: Annotated[str | None, typer.Option(help="a .csv, .tsv, .jsonl or .parquet file")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The nearest texts of CORPUS, by the cosine of their vectors: a run of the task retrieve."""
    from lightune.steps.search import Asked, search

    asked = Asked(query, queries, top, text, query_text, output)
    result = search(run, corpus, asked, settings=data_settings(), show=Show(is_quiet=quiet))
    if json:
        print_json(result)
    elif not output:
        for one in result["results"]:
            print(one["query"])
            for hit in one["hits"]:
                print(f"  {hit['similarity']:.3f}  row {hit['row']}: {' '.join(hit['text'].split())}")
