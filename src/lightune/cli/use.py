"""`predict`, `evaluate`, `check`: the verbs that use a run or look at data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lightune.cli.app import GROUPS, app, print_json
from lightune.cli.learn import (
    Data,
    Json,
    Label,
    Method,
    Model,
    Precision,
    Quiet,
    Seed,
    Task,
    Test,
    Text,
    Validation,
    names_of,
)
from lightune.core.errors import UserError
from lightune.core.progress import Show

SHOWN_FINDINGS = 5  # of each kind; the list has all
RunFolder = Annotated[
    Path, typer.Argument(help="a run folder that `lightune train` wrote, or an adapter folder of peft's")
]
Backbone = Annotated[
    str | None, typer.Option("--model", help="where the run's base model is [as the folder says]")
]
Labels = Annotated[
    str | None, typer.Option(help="names of a plain adapter's outputs, in order: neg,pos [as its files say]")
]
NewData = Annotated[str, typer.Argument(help="a file, or - for standard input")]


@app.command(epilog="Example: lightune predict runs/reviews-lora-1 new.csv --output predicted.csv")
def predict(
    run: RunFolder,
    data: NewData,
    text: Text = None,
    output: Annotated[
        str | None, typer.Option(help="a .csv, .tsv, .jsonl or .parquet file, or one as DATA is [stdout]")
    ] = None,
    precision: Precision = "exact",
    abstain_below: Annotated[
        float | None, typer.Option(help="give no answer where its probability is lower, like 0.8")
    ] = None,
    beams: Annotated[
        int, typer.Option(help="where texts are written: follow so many beginnings at once")
    ] = 1,
    model: Backbone = None,
    labels: Labels = None,
    route: Annotated[
        str | None, typer.Option(help="RUN is RUN_A,RUN_B: this column names the run for each row")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The rows of DATA with `predicted` and `probability` added, in the order of the input."""
    from lightune.request import check_precision
    from lightune.steps.answer import Wanted, answer

    settings = data_settings()
    told = told_by(model, labels)
    wanted = Wanted(names_of(text), output, check_precision(precision), json, abstain_below, beams, told)
    if route is None:
        result = answer(run, data, settings=settings, wanted=wanted, show=Show(is_quiet=quiet))
    else:
        from lightune.steps.route import answer_by_route

        folders, show = [Path(part.strip()) for part in str(run).split(",")], Show(is_quiet=quiet)
        result = answer_by_route(folders, data, route, settings=settings, wanted=wanted, show=show)
    if json:
        print_json(result)


@app.command(epilog='Example: lightune generate runs/chats-lora-1 --prompt "What is a verb?"')
def generate(
    run: RunFolder,
    prompt: Annotated[list[str] | None, typer.Option(help="a prompt; several may be given [stdin]")] = None,
    max_new_tokens: Annotated[int, typer.Option(help="tokens to write at most")] = 128,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest, 1 draws freely")] = 0.0,
    top_k: Annotated[int, typer.Option(help="draw from the k likeliest tokens only (0: all)")] = 0,
    top_p: Annotated[float, typer.Option(help="draw from the likeliest tokens that sum up to p")] = 1.0,
    beams: Annotated[int, typer.Option(help="follow so many beginnings at once, and keep the likeliest")] = 1,
    seed: Annotated[int, typer.Option(help="seed of the drawing")] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """New text from a run that writes: one for every --prompt, or for every line of standard input.

    A language model goes on from the prompt; without one it begins a text of its own.
    """
    from lightune.runs.language_folder import is_language_run

    how: dict[str, Any] = {"max_new_tokens": max_new_tokens, "temperature": temperature, "beams": beams}
    how |= {"top_k": top_k, "top_p": top_p, "seed": seed}
    if is_language_run(run):
        from lightune.history.language.base import How
        from lightune.steps import languages

        texts = languages.write(run, prompt or [""], How(**how))  # without a prompt a text begins
    else:
        from lightune.steps.answer import write

        prompts = prompt or [line.rstrip("\n") for line in sys.stdin if line.strip()]
        texts = write(run, prompts, how=how, show=Show(is_quiet=quiet))
    if json:
        print_json({"texts": texts})
        return
    for text in texts:
        print(text)


@app.command(epilog="Example: lightune evaluate runs/reviews-lora-1 test.csv")
def evaluate(
    run: RunFolder,
    data: Annotated[str, typer.Argument(help="labelled data; or a second run, and the data behind it")],
    data_of_both: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="labelled data, where two runs are compared")
    ] = None,
    text: Text = None,
    label: Label = None,
    by: Annotated[str | None, typer.Option(help="also for each value of this column")] = None,
    shifted: Annotated[
        str | None, typer.Option(help="also on this other data, and what is lost there")
    ] = None,
    robust: Annotated[
        bool,
        typer.Option("--robust", help="also on the texts with typos, other case, names, length, negated"),
    ] = False,
    model: Backbone = None,
    labels: Labels = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Metrics of a run on labelled data, with 95% intervals; of two runs, and whether they truly differ."""
    from lightune.runs.language_folder import is_language_run

    if is_language_run(run):
        _evaluate_language(
            run,
            data,
            text,
            {"label": label, "by": by, "shifted": shifted, "robust": robust or None},
            json,
            quiet,
        )
        return
    from lightune.steps.assess import Wanted, assess, notes, tables

    columns = tuple(part.strip() for part in text.split(",")) if text else None
    other, data = (None, data) if data_of_both is None else (Path(data), data_of_both)
    show = Show(is_quiet=quiet)
    told = told_by(model, labels)
    wanted = Wanted(data_settings(), columns, label, by, shifted, other, robust, told)
    result = assess(run, data, wanted, show)
    for title, header, rows in tables(result):
        show.table(title, header, rows)
    for line in notes(result):
        show.note(line)
    if json:
        print_json(result)


def _evaluate_language(
    run: Path, data: str, text: str | None, others: dict[str, Any], json: bool, quiet: bool
) -> None:
    """Bits per byte and perplexity of a language model on a text."""
    from lightune.steps import languages

    for flag, value in others.items():
        if value is not None:
            raise UserError(f"--{flag} does nothing for a language model", hint="Leave it out.")
    show = Show(is_quiet=quiet)
    result = languages.assess(run, data, text, data_settings(), show)
    rows = [
        (name, f"{one['value']:.4f}", f"{one['low']:.4f} to {one['high']:.4f}")
        for name, one in result["metrics"].items()
    ]
    show.table("on this text", ("figure", "value", "95% interval"), rows)
    if json:
        print_json(result)


@app.command(epilog="Example: lightune check reviews.csv --deep")
def check(
    data: Data,
    task: Task = "auto",
    text: Text = None,
    label: Label = None,
    validation: Validation = None,
    test: Test = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="also what only a model sees: wrong labels, leaks")
    ] = False,
    output: Annotated[
        str | None, typer.Option(help="the list that --deep writes [DATA-findings-N.csv]")
    ] = None,
    model: Model = "auto",
    method: Method = "auto",
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What is wrong with the data, with line numbers, before any model is loaded; --deep asks a model too."""
    from lightune.request import Request

    asked: dict[str, Any] = {"task": task, "label": label, "validation": validation, "test": test}
    asked["text"] = tuple(part.strip() for part in text.split(",")) if text else None
    request = Request(data=data, groups=GROUPS, model=model, method=method, seed=seed, **asked)
    if deep:
        from lightune.steps.deep import look_deeper

        result = look_deeper(request, output, Show(is_quiet=quiet))
    else:
        from lightune.steps.inspect import inspect

        _refuse_without_deep(output, model, method)
        result = inspect(request, Show(is_quiet=quiet))
    if json:
        print_json(result)
        return
    found = ", ".join(f"{label} ({count})" for label, count in list(result["labels"].items())[:10])
    print(f"{result['rows']} rows, task {result['task']}{', labels: ' + found if found else ''}")
    for problem in result["problems"]:
        place = f"{problem['file']}:{problem['line']}" if problem["line"] else problem["file"]
        print(f"{place}: {problem['kind'].replace('_', ' ')}: {problem['message']}")
    print(_conclusion(result["problems"]))
    if "deep" in result:
        _print_deep(result["deep"])


def _refuse_without_deep(output: str | None, model: str, method: str) -> None:
    """Raise `UserError` for a flag that only --deep acts on."""
    for flag, is_given in (("output", output), ("model", model != "auto"), ("method", method != "auto")):
        if is_given:
            raise UserError(f"--{flag} does nothing without --deep", hint="Add --deep, or leave it out.")


def _print_deep(deep: dict[str, Any]) -> None:
    """The first findings of each kind, and what to do with the list."""
    for kind, count in deep["counts"].items():
        print(f"{kind.replace('_', ' ')}: {count}")
        for one in [one for one in deep["findings"] if one["kind"] == kind][:SHOWN_FINDINGS]:
            place = f"{one['file']}:{one['line']}" if one["line"] else f"{one['file']} row {one['row']}"
            print(f"  {place}: {one['score']:.2f} {one['message']}")
    print(f"list: {deep['output']}\npage: {deep['page']}")
    print(f"look through it, then: lightune train DATA --data.exclude {deep['output']}")


def _conclusion(problems: list[dict[str, Any]]) -> str:
    """How many problems there are, and whether `train` would refuse the data."""
    if not problems:
        return "no problem found"
    number = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
    fatal = sorted({problem["kind"].replace("_", " ") for problem in problems if problem["is_fatal"]})
    return f"{number}; training will not start before this is mended: {', '.join(fatal)}" if fatal else number


def told_by(model: str | None, labels: str | None) -> Any:
    """What the command line says of an adapter that does not say it itself."""
    from lightune.runs.folder import Told

    return Told(model, names_of(labels))


def data_settings() -> Any:
    """`--data.*` of the command line that is being run."""
    from lightune.core.settings import build
    from lightune.data.settings import DataSettings

    return build(DataSettings, "data", GROUPS.get("data", {}))
