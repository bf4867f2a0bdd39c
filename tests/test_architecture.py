"""The layers of the package: imports go downwards only, and folders of one layer do not know each other."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import lightune
from lightune.core import plugins
from tests.source import PACKAGE, Import, imports, python_files

LAYERS = (
    {"core"},
    {"data", "evaluate", "backbones"},
    {"tasks", "methods"},
    {"engine"},
    {"pretraining"},
    {"history", "explain", "privacy", "deploy", "runs"},
    {"request"},
    {"run"},
    {"steps"},
    {"api"},
    {"cli", "web"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
ENTRANCES = {"__init__", "__main__"}  # they lead to the top, lazily
HEAVY = {
    "torch",
    "transformers",
    "sklearn",
    "pandas",
    "peft",
    "datasets",
    "scipy",
    "matplotlib",
    "accelerate",
}
LIGHT = ("core", "data", "evaluate", "history", "runs", "cli", "web", "api.py", "run.py", "request.py")
PLUGIN_FOLDERS = {
    "tasks": "Task",
    "methods": "Method",
    "data.formats": "Format",
    "history": "Baseline",
    "history.language": "LanguageModel",
}
PUBLIC = ["Run", "UserError", "check", "compare", "load", "load_many", "plan", "train"]
SOURCES = python_files("src")


def part_of(path: Path) -> str:
    """The folder or top-level module of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def target_of(item: Import) -> str | None:
    """The part of the package that is imported; None for a library, and for `lightune` itself."""
    words = item.name.split(".")
    is_own = words[0] == "lightune" and len(words) > 1 and not words[1].startswith("__")
    return words[1] if is_own else None


def is_downward(source: str, target: str) -> bool:
    """Whether `source` may import `target`: its own part, or a layer below."""
    return source == target or (target in LEVEL and LEVEL[target] < LEVEL[source])


def test_every_part_has_a_layer() -> None:
    parts = {part_of(path) for path in SOURCES} - ENTRANCES
    assert parts <= set(LEVEL), f"give these a layer in LAYERS: {sorted(parts - set(LEVEL))}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path: Path) -> None:
    source = part_of(path)
    if source in ENTRANCES:
        return
    targets = [(item, target) for item in imports(path) if (target := target_of(item))]
    wrong = [str(item) for item, target in targets if not is_downward(source, target)]
    assert not wrong, f"{source} may import only {source} and the layers below it:\n" + "\n".join(wrong)


def test_rule_tells_up_down_and_sideways_apart() -> None:
    assert is_downward("engine", "core")
    assert is_downward("engine", "engine")
    assert not is_downward("core", "engine")
    assert not is_downward("data", "evaluate")
    assert not is_downward("api", "Run"), "a public name is imported from where it lives"


def test_light_parts_load_no_heavy_library() -> None:
    light = [path for path in SOURCES if path.relative_to(PACKAGE).parts[0] in (*LIGHT, "__init__.py")]
    found = [item for path in light for item in imports(path) if item.is_on_load]
    wrong = [str(item) for item in found if item.name.split(".")[0] in HEAVY]
    assert not wrong, "import these inside the functions that use them:\n" + "\n".join(wrong)


@pytest.mark.parametrize("module", ["lightune", "lightune.api", "lightune.cli.app", "lightune.steps.inspect"])
def test_module_loads_without_heavy_libraries(module: str) -> None:
    program = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(("folder", "contract"), PLUGIN_FOLDERS.items())
def test_plugin_file_holds_one_class(folder: str, contract: str) -> None:
    package = importlib.import_module(f"lightune.{folder}")
    base = getattr(importlib.import_module(f"lightune.{folder}.base"), contract)
    assert plugins.names(package)
    for name in plugins.names(package):
        assert issubclass(plugins.load(package, name, base), base)  # load asserts that there is just one


def test_public_names_are_these() -> None:
    assert sorted(lightune.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(lightune, name) is not None
