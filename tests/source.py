"""Reading the repository's own source, for the tests that hold its rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "lightune"
CODE_FOLDERS = ("src", "tests", "examples", "docs", "benchmarks")


@dataclass(frozen=True)
class Import:
    """One imported module or name of a module.

    Attributes:
        name: in full (`lightune.core.errors`).
        is_on_load: whether importing `file` runs it: not inside a function, not for type checkers only.
    """

    file: Path
    line: int
    name: str
    is_on_load: bool

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: {self.name}"


def python_files(*folders: str) -> list[Path]:
    """Every Python file of some folders of the repository, all code folders unless told."""
    return sorted(path for folder in folders or CODE_FOLDERS for path in (ROOT / folder).rglob("*.py"))


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[Import]:
    """What a file imports, anywhere in it; each name of `from package import name` on its own."""
    yield from _imports(parse(path), path, is_on_load=True)


def _imports(node: ast.AST, path: Path, is_on_load: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(path, node.lineno, alias.name, is_on_load)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{path}:{node.lineno}: write imports in full"
        for alias in node.names:
            yield Import(path, node.lineno, f"{node.module}.{alias.name}", is_on_load)
    elif isinstance(node, ast.If) and _is_type_checking(node.test):
        for statement in node.body:
            yield from _imports(statement, path, is_on_load=False)
        for statement in node.orelse:
            yield from _imports(statement, path, is_on_load)
    else:
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, path, is_on_load and not is_function)


def _is_type_checking(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in ast.unparse(test)
