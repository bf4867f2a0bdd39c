"""Settings groups: one pydantic field is the flag, the check, the help text and the docs.

`--train.learning-rate 1e-3` sets field `learning_rate` of the group `train`. An unknown group or field
is an error that names the nearest one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from lightune.core.errors import UserError, nearest

MAX_FIELDS = 12


class Settings(BaseModel):
    """A frozen group of settings. A default of None means: derived, and printed with its reason."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


S = TypeVar("S", bound=Settings)


def take_flags(
    words: Sequence[str], groups: Sequence[str], switches: Collection[str] = ()
) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Take the dotted flags out of a command line: (the other words, group -> field -> value).

    `["a.csv", "--method.rank", "8", "--cache.off"]` gives `["a.csv"]` and
    `{"method": {"rank": "8"}, "cache": {"off": "true"}}`. `switches` are the flags that take no value.

    Raises:
        UserError: a group that does not exist, or a flag without its value.
    """
    rest: list[str] = []
    found: dict[str, dict[str, str]] = {}
    waiting = iter(words)
    for word in waiting:
        flag, equals, value = word.partition("=")
        group, dot, field = flag.removeprefix("--").partition(".")
        if word.startswith("--cache-"):  # --cache-limit is another spelling of --cache.limit
            group, dot, field = "cache", ".", flag.removeprefix("--cache-")
        if not word.startswith("--") or not dot:
            rest.append(word)
            continue
        if group not in groups:
            raise UserError(f"unknown settings group {group!r} in {word!r}", hint=nearest(group, groups))
        field = field.replace("-", "_")
        if not equals:
            value = "true" if f"{group}.{field}" in switches else next(waiting, "")
            if not value:
                raise UserError(f"{word} needs a value", hint=f"Like: {word} VALUE")
        found.setdefault(group, {})[field] = value
    return rest, found


def build(kind: type[S], group: str, values: Mapping[str, Any]) -> S:
    """Settings of `kind` from raw values, checked.

    Raises:
        UserError: an unknown field (the nearest is named) or a value out of its range.
    """
    for name in values:
        if name not in kind.model_fields:
            hint = nearest(name, kind.model_fields) if kind.model_fields else "It has no settings."
            raise UserError(f"unknown setting --{group}.{name.replace('_', '-')}", hint=hint)
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else group
        described = kind.model_fields[name].description or "" if name in kind.model_fields else ""
        flag = f"--{group}.{name.replace('_', '-')}"
        message = f"{flag} cannot be {first.get('input')!r}: {_plain_words(first['msg'])}"
        raise UserError(message, hint=described.capitalize()) from None


def _plain_words(message: str) -> str:
    """Pydantic's sentence as a person would say it."""
    short = message.partition(", unable to")[0].removeprefix("Value error, ")
    return short.replace("Input should", "it should").replace("a valid integer", "a whole number")


def switches(kind: type[Settings], group: str) -> set[str]:
    """The flags of a group that take no value."""
    return {f"{group}.{name}" for name, field in kind.model_fields.items() if field.annotation is bool}


def describe(kind: type[Settings], group: str) -> list[tuple[str, str, str]]:
    """(flag, default, meaning) for every field: what `--help` and the docs print."""
    lines = []
    for name, field in kind.model_fields.items():
        default = "derived" if field.default is None else str(field.default)
        lines.append((f"--{group}.{name.replace('_', '-')}", default, field.description or ""))
    return lines


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dictionary; a mistake in it is a `UserError` with its line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError("no such file", file=path, hint="--config takes a run.toml.") from None
    except OSError as error:
        hint = "--config takes a file such as the run.toml of a run."
        raise UserError(f"cannot be read: {error.strerror or error}", file=path, hint=hint) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        place = re.search(r" \(at line (\d+), column \d+\)$", str(error))
        what = str(error)[: place.start()] if place else str(error)
        hint = 'A line of it looks like: rank = 8, or optimizer = "adamw", below a [method] or [train].'
        line = int(place[1]) if place else None
        raise UserError(f"not a valid TOML file: {what}", file=path, line=line, hint=hint) from None


def to_toml(groups: Mapping[str, Any]) -> str:
    """Plain values and one level of groups as TOML; None is left out (derived)."""
    import json

    def value(item: Any) -> str:
        if isinstance(item, bool):
            return "true" if item else "false"
        if isinstance(item, (int, float)):
            return repr(item)
        if isinstance(item, (list, tuple)):
            return "[" + ", ".join(value(one) for one in item) + "]"
        return json.dumps(str(item), ensure_ascii=False).replace("\\u007f", "\\u007F")

    plain = [(k, v) for k, v in groups.items() if not isinstance(v, Mapping) and v is not None]
    lines = [f"{key} = {value(item)}" for key, item in plain]
    for group, members in groups.items():
        if isinstance(members, Mapping):
            lines += ["", f"[{group}]"]
            lines += [f"{key} = {value(item)}" for key, item in members.items() if item is not None]
    return "\n".join(lines) + "\n"
