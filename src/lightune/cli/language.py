"""`pretrain`, `score`, `nearest`: language models from nothing, and what any of them says of a text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lightune.cli.app import GROUPS, app, print_json
from lightune.cli.learn import Budget, Json, Output, Overwrite, Quiet, Resume, Seed
from lightune.core.progress import Show

SHOWN_ROWS = 5
Corpus = Annotated[
    str,
    typer.Argument(
        help="a text file of any size (a text a line), a CSV or JSONL file, a folder of .txt files, or one "
        "of brown, austen, people-daily, movies, reviews-zh"
    ),
]
TextColumn = Annotated[str | None, typer.Option("--text", help="the column that holds the texts")]


@app.command(epilog="Example: lightune pretrain brown --kind ngram --pretrain.order 5")
def pretrain(
    corpus: Corpus,
    kind: Annotated[str, typer.Option(help="what to train; the list stands below")] = "ngram",
    text: TextColumn = None,
    validation: Annotated[str | None, typer.Option(help="another corpus to measure on")] = None,
    held_out: Annotated[
        str | None, typer.Option(help='rows to measure on instead of learning from: "book=Emma"')
    ] = None,
    model: Annotated[str, typer.Option(help="an existing model to go on from")] = "",
    tokenizer: Annotated[
        str, typer.Option(help="a tokenizer.json, or a folder or model that has one [trained]")
    ] = "",
    embeddings: Annotated[str, typer.Option(help="a run of word vectors to begin with")] = "",
    budget: Budget = None,
    output: Output = None,
    seed: Seed = 0,
    resume: Resume = False,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a language model on a corpus, and measure it on held-out text in bits per byte."""
    from lightune.steps.pretrain import PretrainRequest, run_pretrain

    request = PretrainRequest(
        data=corpus,
        kind=kind.replace("-", "_"),
        text=text,
        validation=validation,
        held_out=held_out,
        model=model,
        tokenizer=tokenizer,
        embeddings=embeddings,
        budget=budget,
        output=output,
        seed=seed,
        resume=resume,
        overwrite=overwrite,
        groups={name: dict(fields) for name, fields in GROUPS.items()},
    )
    result = run_pretrain(request, Show(is_quiet=quiet))
    if json:
        print_json(result)


@app.command(epilog="Example: lightune score runs/brown-ngram-1 texts.txt --page surprise.html")
def score(
    run: Annotated[
        str,
        typer.Argument(
            help="a run of `lightune pretrain`, an .arpa file, or a transformers model by name or folder"
        ),
    ],
    data: Annotated[str, typer.Argument(help="texts: a file, a bundled data set, or - for standard input")],
    text: TextColumn = None,
    page: Annotated[
        Path | None, typer.Option(help="an HTML file that colours the tokens by surprise")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The probability of each text, and of each token given those before it."""
    from lightune.cli.use import data_settings
    from lightune.steps.score import score as score_texts
    from lightune.steps.score import write_page

    result = score_texts(run, data, text=text, settings=data_settings(), show=Show(is_quiet=quiet))
    if page is not None:
        write_page(page, result)
    if json:
        print_json(result)
        return
    name = "pseudo-log-likelihood" if result["is_pseudo"] else "log_probability"
    print(f"{name}\tbits_per_byte\ttext")
    for row in result["rows"]:
        print(f"{row['log_probability']:.4f}\t{row['bits_per_byte']:.4f}\t{row['text']}")


@app.command(epilog="Example: lightune nearest runs/brown-word2vec-1 river money")
def nearest(
    run: Annotated[
        Path,
        typer.Argument(help="a run of word2vec, fasttext or glove, or a word2vec .bin, .txt or .vec file"),
    ],
    words: Annotated[list[str], typer.Argument(help="the words to look for")],
    top: Annotated[int, typer.Option(help="how many words to give for each")] = 10,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The words with the nearest vectors, by the cosine."""
    from lightune.steps.neighbours import nearest_words

    result = nearest_words(run, words, top)
    if json:
        print_json(result)
        return
    for one in result["words"]:
        print(
            f"{one['word']}: " + ", ".join(f"{near['word']} {near['cosine']:.2f}" for near in one["nearest"])
        )


def pretrain_tables() -> list[tuple[str, list[tuple[str, str, str]]]]:
    """(title, rows of flag, default, meaning) of every kind of language model."""
    from lightune.core.settings import describe

    return [
        (
            f"--kind {name}: {kind.summary}",
            describe(kind.Settings, "pretrain") + describe(kind.Loop, "train"),
        )
        for name, kind in _kinds().items()
    ]


def pretrain_switches() -> set[str]:
    """The dotted flags of all kinds that take no value."""
    from lightune.core.settings import switches

    known = _kinds().values()
    return {
        flag for kind in known for flag in switches(kind.Settings, "pretrain") | switches(kind.Loop, "train")
    }


def _kinds() -> dict[str, Any]:
    from lightune.core import plugins
    from lightune.history import language
    from lightune.history.language.base import LanguageModel

    names = plugins.names(language)
    return {name: plugins.load(language, name, LanguageModel) for name in names}
