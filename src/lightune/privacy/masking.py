"""Personal data out of texts, placeholders in: `call [PHONE_1]`; and back again, with the key file.

Without a key the numbers begin again in every row, so that no placeholder stands for a person. With one they
are the same in the whole file (and in the next, with the same key), since the key must tell them apart.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.privacy import people, personal
from lightune.privacy.personal import Found

PLACEHOLDER = re.compile(r"\[([A-Z]+)_(\d+)\]")
Finder = Callable[[str], Iterable[Found]]


def find_all(text: str, more: Finder | None = None) -> list[Found]:
    """Personal data of a text in order, none overlapping: of two that do, the one that has the surer form."""
    kept: list[Found] = []
    for find in (*personal.FINDERS, *people.FINDERS, *([more] if more else [])):
        for one in sorted(find(text)):
            if all(one.end <= other.start or one.start >= other.end for other in kept):
                kept.append(one)
    return sorted(kept)


class Masker:
    """Puts placeholders in, counts them, and remembers what they stand for where there is a key.

    Args:
        key: the file of what placeholders stand for; one that exists is gone on with. None: nothing is kept.
        more: finds more, such as names by a trained tagger.
    """

    def __init__(self, key: Path | None = None, more: Finder | None = None) -> None:
        personal.libraries()
        self.counts: Counter[str] = Counter()
        self.more = more
        self.key = key
        self.known: dict[str, str] = read_key(key) if key is not None and key.exists() else {}
        self._numbers: dict[tuple[str, str], int] = {}
        for placeholder, original in self.known.items():
            match = PLACEHOLDER.fullmatch(placeholder)
            if match:
                self._numbers[match[1], original] = int(match[2])

    def start_row(self) -> None:
        """A new row: without a key its placeholders count from 1 again."""
        if self.key is None:
            self._numbers.clear()

    def mask(self, value: Any) -> Any:
        """A text, or what lists and objects hold of texts, masked; all else as it is."""
        if isinstance(value, str):
            return self._mask_text(value)
        if isinstance(value, list):
            return [self.mask(one) for one in value]
        if isinstance(value, dict):
            return {name: self.mask(one) for name, one in value.items()}
        return value

    def _mask_text(self, text: str) -> str:
        parts, end = [], 0
        for one in find_all(text, self.more):
            parts += [text[end : one.start], self._placeholder(one.kind, text[one.start : one.end])]
            end = one.end
            self.counts[one.kind] += 1
        return "".join([*parts, text[end:]])

    def _placeholder(self, kind: str, original: str) -> str:
        number = self._numbers.get((kind, original))
        if number is None:
            number = 1 + sum(known == kind for known, _ in self._numbers)
            self._numbers[kind, original] = number
        placeholder = f"[{kind}_{number}]"
        if self.key is not None:
            self.known[placeholder] = original
        return placeholder

    def save_key(self) -> None:
        """Write what the placeholders stand for, readable by its owner only."""
        if self.key is None:
            return
        work = self.key.with_name(f".{self.key.name}.{os.getpid()}")
        try:
            work.touch(mode=0o600)
            with contextlib.suppress(OSError):
                work.chmod(0o600)
            work.write_text(json.dumps(self.known, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            work.replace(self.key)
        finally:
            work.unlink(missing_ok=True)

    def describe(self) -> str:
        """`12 phone, 3 mail`."""
        return (
            ", ".join(f"{number} {kind.lower()}" for kind, number in self.counts.most_common()) or "nothing"
        )


def read_key(file: Path) -> dict[str, str]:
    """What placeholders stand for.

    Raises:
        UserError: not a key file.
    """
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "Give the file that `lightune mask --key` wrote."
        raise UserError(f"the key cannot be read: {error.strerror}", file=file, hint=hint) from None
    except ValueError:
        known = None
    is_key = isinstance(known, dict) and all(
        PLACEHOLDER.fullmatch(name) and isinstance(one, str) for name, one in known.items()
    )
    if not is_key:
        raise UserError(
            "this is not a key file of lightune",
            file=file,
            hint="Give the file that `lightune mask --key` wrote.",
        )
    return dict(known)


def unmask(value: Any, known: dict[str, str]) -> tuple[Any, int]:
    """(the value with its placeholders replaced by what they stand for, how many the key does not know)."""
    if isinstance(value, str):
        lost = [match[0] for match in PLACEHOLDER.finditer(value) if match[0] not in known]
        return PLACEHOLDER.sub(lambda match: known.get(match[0], match[0]), value), len(lost)
    if isinstance(value, (list, dict)):
        pairs = list(_walk(value, known))
        lost_in_all = sum(lost for _, _, lost in pairs)
        if isinstance(value, list):
            return [one for _, one, _ in pairs], lost_in_all
        return {name: one for name, one, _ in pairs}, lost_in_all
    return value, 0


def _walk(value: list[Any] | dict[str, Any], known: dict[str, str]) -> Iterator[tuple[Any, Any, int]]:
    items = enumerate(value) if isinstance(value, list) else value.items()
    for name, one in items:
        found, lost = unmask(one, known)
        yield name, found, lost
