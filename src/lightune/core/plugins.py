"""The plugin rule: a file `folder/name.py` with one concrete class of the contract is the option `name`.

There is no list to edit and nothing runs on import: `load` imports just the file that is asked for.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import TypeVar

from lightune.core.errors import UserError, nearest

T = TypeVar("T")
NOT_PLUGINS = {"base"}


def names(package: ModuleType) -> list[str]:
    """The options that a plugin folder offers, from its file names (`multi_label.py` -> `multi_label`)."""
    left_out = {*NOT_PLUGINS, *getattr(package, "FAMILIES", ())}
    found = (module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg)
    return sorted(name for name in found if name not in left_out and not name.startswith("_"))


def all_names(package: ModuleType) -> list[str]:
    """`names`, and what the families (files with several options) yield by their `variants()`."""
    families = [importlib.import_module(f"{package.__name__}.{one}") for one in _families(package)]
    return sorted({*names(package), *(name for family in families for name in family.variants())})


def _families(package: ModuleType) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(package, "FAMILIES", ())
    return found


def load(package: ModuleType, name: str, contract: type[T]) -> type[T]:
    """The one concrete subclass of `contract` in `package/name.py`, or what a family makes of the name.

    Raises:
        UserError: no such file; the message names the nearest one.
    """
    option = name.replace("-", "_")
    kind = package.__name__.rsplit(".", 1)[-1].removesuffix("s")
    if option not in names(package):
        for family in _families(package):
            made = importlib.import_module(f"{package.__name__}.{family}").variant(option)
            if made is not None:
                return made  # type: ignore[no-any-return]
        raise UserError(f"there is no {kind} called {name!r}", hint=nearest(name, all_names(package)))
    module = importlib.import_module(f"{package.__name__}.{option}")
    classes = [
        item
        for item in vars(module).values()
        if inspect.isclass(item)
        and issubclass(item, contract)
        and item.__module__ == module.__name__
        and not inspect.isabstract(item)
    ]
    assert len(classes) == 1, f"{module.__name__} must hold one {contract.__name__}, has {classes}"
    return classes[0]
