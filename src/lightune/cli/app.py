"""Taking a command line apart, and ending well whatever happens."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from lightune.core.errors import UserError
from lightune.core.paths import is_disk_full
from lightune.core.settings import take_flags

GROUPS: dict[str, dict[str, str]] = {}
"""The dotted flags of the command line that is being run; the commands read them."""

STOPPED = 130  # the exit code of Ctrl-C in every shell

app = typer.Typer(
    name="lightune",
    help="Fine-tune a pre-trained language model on your own texts, on the computer you have.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def run(words: Sequence[str]) -> int:
    """Run one command line; returns the exit code."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # They add their commands to `app`.
    from lightune.cli import adapters, compare, facts, language, learn, search, store, trust, use, why  # noqa: F401

    GROUPS.clear()
    try:
        if list(words) == ["--version"]:
            import lightune

            print(f"lightune {lightune.__version__}")
            return 0
        from lightune.request import GROUPS as KNOWN

        rest, found = take_flags(words, (*KNOWN, "pretrain"), _switches(words[:1] == ["pretrain"]))
        GROUPS.update(found)
        wants_settings = "--help" in rest and rest[0] in ("train", "plan", "compare", "pretrain")
        result = (
            _help_with_settings(rest)
            if wants_settings
            else app(rest, prog_name="lightune", standalone_mode=False)
        )
        if result == STOPPED:  # typer turns Ctrl-C into this code
            return _stopped(words)
        return result if isinstance(result, int) else 0
    except UserError as error:
        print(f"lightune: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _stopped(words)
    except BrokenPipeError:  # `lightune predict ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if is_disk_full(error):
            print("lightune: the disk is full; free some room and try again", file=sys.stderr)
            return 2
        code = _exit_code_of(error)
        if code is None:
            raise
        return code


def _stopped(words: Sequence[str]) -> int:
    """What Ctrl-C ends with."""
    can_resume = words[:1] in (["train"], ["pretrain"])
    again = " The same command with --resume goes on from here." if can_resume else ""
    print(f"\nlightune: stopped.{again}", file=sys.stderr)
    return STOPPED


def _exit_code_of(error: Exception) -> int | None:
    """The exit code of typer's own errors (a missing argument, an unknown flag), after showing them."""
    show = getattr(error, "show", None)
    if callable(show):
        show(file=sys.stderr)
        return 2
    return getattr(error, "exit_code", None)


def _switches(is_pretrain: bool) -> set[str]:
    """The dotted flags that take no value."""
    from lightune.core.settings import switches
    from lightune.request import SHARED

    found = set().union(*(switches(kind, group) for group, (kind, _) in SHARED.items()))
    if is_pretrain:
        from lightune.cli.language import pretrain_switches

        found |= pretrain_switches()
    return found


def _help_with_settings(words: list[str]) -> int:
    """Typer's help, then every settings group, from the same fields that check the values."""
    app(words, prog_name="lightune", standalone_mode=False)
    tables, place = settings_tables(), "as a flag, or in a TOML file with --config"
    if words[0] == "pretrain":
        from lightune.cli.language import pretrain_tables

        tables, place = pretrain_tables(), "as a flag"
    print(f"\nSettings (give any of them {place}):")
    for title, rows in tables:
        print(f"\n{title}")
        for flag, default, meaning in rows:
            print(f"  {flag:<29} {meaning} [{default}]")
    return 0


def settings_tables() -> list[tuple[str, list[tuple[str, str, str]]]]:
    """(title, rows of flag, default, meaning) for every group; the method's group once a method."""
    from lightune import methods
    from lightune.core import plugins
    from lightune.core.settings import describe
    from lightune.methods.base import Method
    from lightune.request import SHARED

    tables: list[tuple[str, Any]] = [
        (f"--{group}: {about}", describe(kind, group)) for group, (kind, about) in SHARED.items()
    ]
    for name in plugins.names(methods):
        kind = plugins.load(methods, name, Method)  # type: ignore[type-abstract]
        tables.append((f"--method {name}: {kind.summary}", describe(kind.Settings, "method")))
    return tables


def print_json(value: Any) -> None:
    """Exactly one JSON object on stdout; what is no number becomes null."""
    import json

    print(json.dumps(_plain(value), ensure_ascii=False, default=str))


def _plain(value: Any) -> Any:
    import math

    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
