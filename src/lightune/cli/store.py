"""`models` and `cache`: what is kept on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from lightune.cli.app import app, print_json
from lightune.cli.learn import Json, Quiet
from lightune.core.errors import UserError
from lightune.core.progress import Show

models = typer.Typer(
    help="Models that need no hub: fetch, find, list.", no_args_is_help=True, rich_markup_mode=None
)
cache = typer.Typer(help="The activation store: show, clear.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(models, name="models")
app.add_typer(cache, name="cache")

Name = Annotated[str, typer.Argument(help="minilm, e5-multilingual or smollm2")]


@models.command("get", epilog="Example: lightune models get minilm")
def models_get(name: Name, json: Json = False, quiet: Quiet = False) -> None:
    """Fetch a model once, with checksum and progress; it is found offline afterwards."""
    from lightune.backbones import catalog

    path = catalog.get(name, Show(is_quiet=quiet))
    print_json({"name": name, "path": str(path)}) if json else print(path)


@models.command("path", epilog="Example: lightune models path minilm")
def models_path(name: Name, json: Json = False, quiet: Quiet = False) -> None:
    """Print the folder of a fetched model."""
    from lightune.backbones import catalog

    path = catalog.path(name)
    print_json({"name": name, "path": str(path)}) if json else print(path)


@models.command("list", epilog="Example: lightune models list")
def models_list(json: Json = False, quiet: Quiet = False) -> None:
    """The models known by name, and which of them are here."""
    from lightune.backbones import catalog

    here = set(catalog.installed())
    rows = [
        {
            "name": name,
            "is_here": name in here,
            "languages": entry.languages,
            "description": entry.description,
        }
        for name, entry in catalog.names().items()
    ]
    if json:
        print_json({"models": rows})
        return
    for row in rows:
        print(f"{row['name']:<16} {'here' if row['is_here'] else 'not fetched':<12} {row['description']}")


@models.command("methods", epilog="Example: lightune models methods")
def models_methods(json: Json = False, quiet: Quiet = False) -> None:
    """Every training method: what trains, its paper, and what of the model can be read once and kept."""
    rows = method_rows()
    if json:
        print_json({"methods": rows})
        return
    for row in rows:
        print(f"{row['name']:<16} {row['trains']:<62} {row['kept']:<26} {row['paper']}")


def method_rows() -> list[dict[str, str]]:
    """{name, trains, kept, paper} of every method, by name."""
    from lightune import methods
    from lightune.core import plugins
    from lightune.methods.base import Method

    rows = []
    for name in plugins.all_names(methods):
        kind = plugins.load(methods, name, Method)  # type: ignore[type-abstract]
        rows.append({"name": name, "trains": kind.summary, "kept": kind.kept, "paper": kind.paper})
    return rows


@cache.command("show", epilog="Example: lightune cache show")
def cache_show(json: Json = False, quiet: Quiet = False) -> None:
    """The activations on disk: size, age, what they belong to."""
    from datetime import datetime

    from lightune.engine.activations import entries

    found = entries()
    total = sum(one.bytes for one in found)
    if json:
        print_json({"bytes": total, "entries": [vars(one) for one in found]})
        return
    print(f"{total / 1e6:.1f} MB in {len(found)} entries")
    for one in found:
        used = datetime.fromtimestamp(one.used).strftime("%Y-%m-%d %H:%M")
        place = f"depth {one.depth} {one.reduction} {one.dtype}"
        print(f"{one.bytes / 1e6:9.1f} MB  {one.num_sequences:7d} texts  {used}  {place}  {one.backbone}")


@cache.command("clear", epilog="Example: lightune cache clear --yes")
def cache_clear(
    yes: Annotated[bool, typer.Option("--yes", help="really remove them")] = False,
    secure: Annotated[
        bool, typer.Option("--secure", help="overwrite before removing (no promise on solid-state disks)")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Remove all stored activations. They are computed again when they are needed."""
    from lightune.engine.activations import clear

    if not yes:
        raise UserError(
            "nothing was removed", hint="To remove all stored activations: lightune cache clear --yes"
        )
    freed = clear(is_secure=secure)
    if secure:
        Show(is_quiet=quiet).note(
            "overwritten once, then removed. A solid-state disk, a journal or a snapshot may keep the old "
            "bytes: on those only --cache.encrypt, and losing the key, is sure."
        )
    print_json({"bytes": freed, "overwritten": secure}) if json else print(f"removed {freed / 1e6:.1f} MB")
