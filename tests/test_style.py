"""House style that no linter checks: sizes, names, and what must not stand in a public repository."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightune.core.settings import MAX_FIELDS, Settings
from tests.source import PACKAGE, ROOT, parse, python_files

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_ARGUMENTS = 7
VAGUE_NAMES = {"utils", "util", "helper", "helpers", "manager", "handler", "misc", "common", "stuff"}
SHORTENED = {"args", "kwargs", "cfg", "config_dict", "tmp", "arr", "idx", "cnt", "num", "str_", "val", "vals"}
NO_ISSUE = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?! *\(#\d+\))")
# A home or work folder of one machine, or the address of a package index: neither belongs in a file.
MACHINE = re.compile(
    r"/(home|Users|root|work|mnt)/[A-Za-z.]|\b[A-Z]:\\Users\\|(index-url|find-links|trusted-host)[ =]|"
    r"(pypi|files)\.(org|pythonhosted\.org)|registry\.npmjs|deb\.debian\.org"
)
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".tsv",
    ".csv",
    ".cfg",
    ".yml",
    ".yaml",
    ".json",
    ".html",
    ".css",
    ".js",
    "",
}
FILES = python_files()
Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    """A path as messages and test names show it."""
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a file."""
    return (node for node in ast.walk(parse(path)) if isinstance(node, Function))


def is_command(function: Function) -> bool:
    """Whether its arguments are the flags of a command: as many as the person may give."""
    return any(".command" in ast.unparse(decorator) for decorator in function.decorator_list)


def tracked_text_files() -> list[Path]:
    """What git would publish and a person can read; every file of the folder where there is no git."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):  # unpacked from an archive
        listed = [name_of(path) for path in FILES]
    files = (ROOT / name for name in listed)
    return [path for path in files if path.is_file() and path.suffix in TEXT]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_sizes(path: Path) -> None:
    num_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert num_lines <= MAX_FILE_LINES, f"{name_of(path)} has {num_lines} lines: split it"
    for function in functions(path):
        where = f"{name_of(path)}:{function.lineno} {function.name}"
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        assert length <= MAX_FUNCTION_LINES, f"{where} has {length} lines: give its parts names"
        given = function.args
        num_arguments = len([*given.posonlyargs, *given.args, *given.kwonlyargs])
        num_arguments -= bool(given.args) and given.args[0].arg in {"self", "cls"}
        assert num_arguments <= MAX_ARGUMENTS or is_command(function), (
            f"{where} takes {num_arguments} arguments: group them"
        )


@pytest.mark.parametrize("path", python_files("src", "examples"), ids=name_of)
def test_names_are_whole_words(path: Path) -> None:
    words = set(re.split(r"[_/.]", path.relative_to(ROOT).as_posix().lower()))
    assert not words & VAGUE_NAMES, f"{name_of(path)}: name the file for what it holds"
    tree = parse(path)
    defined = {node.name for node in ast.walk(tree) if isinstance(node, (Function, ast.ClassDef))}
    parts = {word for name in defined for word in re.split(r"_|(?<=[a-z])(?=[A-Z])", name)}
    assert not {part.lower() for part in parts} & VAGUE_NAMES, f"{name_of(path)}: vague names"
    given = [function.args for function in ast.walk(tree) if isinstance(function, Function)]
    arguments = {
        one.arg for all_of in given for one in [*all_of.posonlyargs, *all_of.args, *all_of.kwonlyargs]
    }
    assert not arguments & SHORTENED, f"{name_of(path)}: write {sorted(arguments & SHORTENED)} in full"


def test_settings_groups_are_small() -> None:
    for path in python_files("src"):
        if path.name != "__main__.py" and re.search(r"\((\w*Settings)\):", path.read_text(encoding="utf-8")):
            importlib.import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
    groups = list(all_subclasses(Settings))
    assert groups, "no settings group was found"
    for group in groups:
        num_fields = len(group.model_fields)
        assert num_fields <= MAX_FIELDS, f"{group.__name__} has {num_fields} fields: split the group"
        for name, field in group.model_fields.items():
            assert field.description, f"{group.__name__}.{name} needs a description: it is the help text"


def all_subclasses(kind: type[Settings]) -> Iterator[type[Settings]]:
    """Every settings group that has been imported."""
    for child in kind.__subclasses__():
        yield child
        yield from all_subclasses(child)


def test_published_files_hold_nothing_of_one_machine() -> None:
    wrong = []
    for path in tracked_text_files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if path != Path(__file__) and (MACHINE.search(line) or NO_ISSUE.search(line)):
                wrong.append(f"{name_of(path)}:{number}: {line.strip()[:100]}")
    assert not wrong, "machine paths, package hosts, or a TODO without (#issue):\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    "line",
    ["cd /home/ada/x", "cp /Users/ada/x .", "pip --index-url x", "see pypi.org/project", "# TODO: later"],
)
def test_rule_finds(line: str) -> None:
    assert MACHINE.search(line) or NO_ISSUE.search(line)


@pytest.mark.parametrize("line", ["~/.cache/lightune", "TODO (#12) later", "models/home.bin", "/tmp/x"])
def test_rule_allows(line: str) -> None:
    assert not MACHINE.search(line)
    assert not NO_ISSUE.search(line)
