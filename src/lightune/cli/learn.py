"""`train`, `plan`, `demo`: the verbs that learn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lightune.cli.app import GROUPS, app, print_json
from lightune.core.errors import UserError, nearest
from lightune.core.progress import Show
from lightune.core.settings import read_toml

Data = Annotated[
    str,
    typer.Argument(
        help="a file (CSV, TSV, JSONL, Parquet), a folder, a hub id, or one of "
        "movies, tweets, products, news, reviews-zh, spam"
    ),
]
Task = Annotated[
    str,
    typer.Option(help="classify, pair, multilabel, regress, tag, relation, event, retrieve; auto finds out"),
]
Text = Annotated[str | None, typer.Option(help="the text column, or two: COL,COL2")]
Label = Annotated[str | None, typer.Option(help="the column to learn")]
Model = Annotated[
    str, typer.Option(help="a folder, a hub id, a GGUF file, or minilm, e5-multilingual, smollm2")
]
Method = Annotated[str, typer.Option(help="full, head, bitfit, side, lora; auto races head, side and lora")]
Head = Annotated[
    str, typer.Option(help="standard, mean, attention, first, last; auto: what suits the method")
]
Budget = Annotated[str | None, typer.Option(help="most time it may take, like 10m")]
Memory = Annotated[str | None, typer.Option(help="most memory it may take, like 4GB")]
Validation = Annotated[str | None, typer.Option(help="a file to choose the best epoch by")]
Test = Annotated[str | None, typer.Option(help="a file to measure the result on")]
Output = Annotated[str | None, typer.Option(help="the run folder to write [runs/DATA-METHOD-N]")]
Precision = Annotated[
    str, typer.Option(help="exact: float32; fast: the quickest arithmetic that this machine has, measured")
]
Seed = Annotated[int, typer.Option(help="of everything random")]
Folds = Annotated[int, typer.Option(help="also k-fold cross-validation, with this many folds")]
Seeds = Annotated[int, typer.Option(help="also train with so many other seeds, and tell the spread")]
Resume = Annotated[bool, typer.Option("--resume", help="go on with the unfinished run of the same command")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace an existing --output")]
Config = Annotated[Path | None, typer.Option(help="a TOML file of settings, such as a run.toml")]
Start = Annotated[
    str | None, typer.Option("--from", help="go on training this run, or this adapter folder of peft's")
]
LabelNames = Annotated[
    str | None, typer.Option("--labels", help="with --from: names of the adapter's outputs, in order")
]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on stdout")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress, only warnings and the result")]

RUN_KEYS = {"task", "text", "label", "model", "method", "head", "validation", "test", "precision", "seed"}


@app.command(epilog="Example: lightune train reviews.csv --method lora --budget 10m")
def train(
    data: Data,
    task: Task = "auto",
    text: Text = None,
    label: Label = None,
    model: Model = "auto",
    method: Method = "auto",
    head: Head = "auto",
    budget: Budget = None,
    memory: Memory = None,
    validation: Validation = None,
    test: Test = None,
    output: Output = None,
    precision: Precision = "fast",
    seed: Seed = 0,
    folds: Folds = 0,
    seeds: Seeds = 0,
    resume: Resume = False,
    overwrite: Overwrite = False,
    config: Config = None,
    start: Start = None,
    labels: LabelNames = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fine-tune on labelled texts: plan, train, test beside simple baselines, save."""
    given = locals()
    from lightune.api import run_train

    request = _request(_asked(given, config))
    summary = run_train(request, Show(is_quiet=quiet))
    if json:
        print_json(summary)


@app.command(epilog="Example: lightune plan reviews.csv")
def plan(
    data: Data,
    task: Task = "auto",
    text: Text = None,
    label: Label = None,
    model: Model = "auto",
    method: Method = "auto",
    head: Head = "auto",
    budget: Budget = None,
    memory: Memory = None,
    validation: Validation = None,
    test: Test = None,
    output: Output = None,
    precision: Precision = "fast",
    seed: Seed = 0,
    folds: Folds = 0,
    seeds: Seeds = 0,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What every method would cost on this data: time, memory, trainable parameters. Trains nothing."""
    request = _request(_asked(locals(), config))
    from lightune.api import run_plan

    result = run_plan(request, Show(is_quiet=quiet))
    if json:
        print_json(result)


@app.command(epilog="Example: lightune demo")
def demo(
    output: Output = None,
    rows: Annotated[int, typer.Option(min=100, help="movie sentences to use (three quarters train)")] = 8000,
    method: Method = "lora",
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The main job on real data: fetch a small model and movie reviews, fine-tune, measure, predict two."""
    from lightune.api import run_train
    from lightune.run import load

    show = Show(is_quiet=quiet)
    groups = {"data": {"limit": str(rows), "test_fraction": "0.2", "validation_fraction": "0.05"}}
    asked = {"model": "minilm", "method": method, "output": output, "seed": seed, "groups": groups}
    summary = run_train(_request({"data": "movies", **asked}), show)
    run = load(summary["output"])
    texts = [
        "A warm, funny film that I would gladly see again.",
        "Two hours of my life that I will never get back.",
    ]
    predictions = run.predict(texts)
    lines = [
        (one.label, f"{one.probability:.2f}", text) for one, text in zip(predictions, texts, strict=True)
    ]
    Show().table("two new reviews", ("predicted", "probability", "text"), lines)
    if json:
        labels = [{"text": text, "predicted": label} for label, _, text in lines]
        print_json({**summary, "predictions": labels})


def _asked(given: dict[str, Any], config: Path | None) -> dict[str, Any]:
    """The flags as a request's fields, over those of the configuration file."""
    skipped = {"config", "json", "quiet"}
    asked = {name: value for name, value in given.items() if name not in skipped}
    if asked.get("text"):
        asked["text"] = tuple(part.strip() for part in asked["text"].split(","))
    if asked.get("labels"):
        asked["labels"] = names_of(asked["labels"])
    groups: dict[str, dict[str, Any]] = {name: dict(fields) for name, fields in GROUPS.items()}
    if config is not None:
        _take_config(read_toml(config), config, asked, groups)
    return {**asked, "groups": groups}


def names_of(listed: str | None) -> tuple[str, ...] | None:
    """Names with commas between them, taken apart."""
    return tuple(part.strip() for part in listed.split(",")) if listed else None


def _take_config(
    known: dict[str, Any], file: Path, asked: dict[str, Any], groups: dict[str, dict[str, Any]]
) -> None:
    """Lay a run.toml under what the command line says.

    Raises:
        UserError: a group or a name that does not exist, or a value of the wrong kind.
    """
    from lightune.request import GROUPS as SETTINGS_GROUPS
    from lightune.request import Request

    known_groups = ("run", *SETTINGS_GROUPS)
    defaults = {name: field.default for name, field in Request.__dataclass_fields__.items()}
    for group, fields in known.items():
        if group not in known_groups or not isinstance(fields, dict):
            hint = f"A settings file has the groups {', '.join(f'[{name}]' for name in known_groups)}."
            raise UserError(f"{group!r} is not a group of settings", file=file, hint=hint)
    for name, value in known.pop("run", {}).items():
        if name == "lightune":  # the version that wrote the file
            continue
        _check_run_value(name, value, file)
        if asked.get(name) == defaults.get(name):
            asked[name] = tuple(value) if name == "text" else value
    for group, fields in known.items():
        if group == "data":
            fields.pop("source", None)
        if group == "privacy":  # they follow from the rest, and are written down to be read
            fields.pop("noise", None)
            fields.pop("steps", None)
        groups[group] = {**fields, **groups.get(group, {})}


def _check_run_value(name: str, value: Any, file: Path) -> None:
    """Raise `UserError` for a name or a kind of value that [run] does not have."""
    if name not in RUN_KEYS:
        raise UserError(f"unknown name {name!r} in [run]", file=file, hint=nearest(name, RUN_KEYS))
    if name == "text":
        is_right = isinstance(value, list) and all(isinstance(one, str) for one in value)
        kind = 'a list of column names, like ["text"]'
    elif name == "seed":
        is_right, kind = isinstance(value, int), "a whole number"
    else:
        is_right, kind = isinstance(value, str), "a word in quotes"
    if not is_right:
        raise UserError(f"{name} in [run] cannot be {value!r}", file=file, hint=f"It must be {kind}.")


def _request(asked: dict[str, Any]) -> Any:
    from lightune.request import Request

    return Request(**asked)
