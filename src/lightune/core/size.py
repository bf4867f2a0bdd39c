"""How many bytes a fitted model remembers: its arrays, its words, its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

NUMBER = 8  # bytes of one number kept by itself


def bytes_of(value: Any) -> int:
    """Bytes of what `value` holds, each thing once: arrays as they are, text in UTF-8, numbers as 8."""
    return _bytes_of(value, set())


def _bytes_of(value: Any, seen: set[int]) -> int:
    if value is None or isinstance(value, (type, bool, ModuleType)) or id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, (bytes, bytearray)):
        return len(value)
    if isinstance(value, (int, float)):
        return NUMBER
    if hasattr(value, "nbytes") and hasattr(value, "dtype"):
        is_objects = getattr(value.dtype, "hasobject", False)
        return sum(_bytes_of(one, seen) for one in value.ravel()) if is_objects else int(value.nbytes)
    return sum(_bytes_of(one, seen) for one in _parts_of(value))


def _parts_of(value: Any) -> list[Any]:
    """What a thing is made of."""
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if isinstance(value, FunctionType):
        return list(value.__closure__ or ())
    if isinstance(value, MethodType):
        return [value.__self__]
    if isinstance(value, CellType):
        return [value.cell_contents]
    return list(vars(value).values()) if hasattr(value, "__dict__") else []
