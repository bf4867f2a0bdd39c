"""Data sets of the Hugging Face hub by id (`glue/mrpc`, `owner/name`, `owner/name/part`)."""

from __future__ import annotations

import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits, Table
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings

# Collections that are named without their owner: the first part is replaced, the second is a part of it.
COLLECTIONS = {
    "glue": "nyu-mll/glue",
    "super_glue": "aps/super_glue",
    "clue": "clue/clue",
    "tweet_eval": "cardiffnlp/tweet_eval",
}
PARTS = {"validation": ("validation", "validation_matched", "dev", "valid"), "test": ("test", "test_matched")}
LABEL_COLUMNS = ("label", "labels")


class Hub(Format):
    """Read through `datasets`, which keeps a copy, so that a second run needs no network."""

    def recognises(self, path: Path) -> bool:
        """No file of this name, and of the form `owner/name` or `owner/name/part`."""
        return is_hub_id(str(path)) and not path.exists()

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The training rows."""
        yield from self.splits(path, settings).train.rows

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """Train, validation and test; a test part whose labels are hidden (-1) is left out."""
        source = path.as_posix()
        parts = _load(source)
        if "train" not in parts:
            raise UserError(f"{source} has no part 'train', only {', '.join(parts)}", file=source)
        found: dict[str, Table | None] = {}
        for part, names in PARTS.items():
            name = next((name for name in names if name in parts), None)
            found[part] = self._table(parts[name], f"{source}:{name}") if name else None
        train = self._table(parts["train"], f"{source}:train")
        assert train is not None
        return Splits(train=train, validation=found["validation"], test=found["test"])

    def _table(self, part: Any, file: str) -> Table | None:
        """The rows with class numbers replaced by their names; None when the labels are hidden."""
        names = {
            column: feature.names for column, feature in part.features.items() if hasattr(feature, "names")
        }
        self.columns = list(part.column_names)
        rows = []
        for index, values in enumerate(part):
            for column, classes in names.items():
                number = values[column]
                values[column] = classes[number] if number is not None and number >= 0 else None
            rows.append(Row(index, values, file))
        hidden = [column for column in LABEL_COLUMNS if column in self.columns]
        if rows and hidden and all(row.values[hidden[0]] in (None, -1, -1.0) for row in rows):
            return None
        return self.table(rows, file)


def is_hub_id(source: str) -> bool:
    """Whether `source` has the form of a hub id rather than of a path."""
    words = source.split("/")
    is_plain = all(re.fullmatch(r"[A-Za-z0-9][\w.-]*", word) for word in words)
    has_suffix = re.search(r"\.(csv|tsv|tab|txt|text|jsonl?|ndjson|parquet|pq|xlsx?|zip|gz)$", source.lower())
    return len(words) in {2, 3} and is_plain and not has_suffix and not Path(words[0]).is_dir()


def hub_name(source: str) -> tuple[str, str | None]:
    """`glue/mrpc` -> ("nyu-mll/glue", "mrpc"); `owner/name` -> ("owner/name", None)."""
    words = source.split("/")
    if words[0] in COLLECTIONS:
        return COLLECTIONS[words[0]], words[1]
    return "/".join(words[:2]), words[2] if len(words) == 3 else None


def _is_reachable(address: str) -> bool:
    """Whether the name of the hub's machine can be looked up; through a proxy that is not ours to tell."""
    host = urllib.parse.urlsplit(address).hostname or ""
    if urllib.request.getproxies():
        return True
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True


def _load(source: str) -> Any:
    """All parts of the data set; without a network what was read before, at once instead of after retries."""
    import datasets
    import huggingface_hub.constants

    is_offline = huggingface_hub.constants.HF_HUB_OFFLINE
    if not is_offline and not _is_reachable(huggingface_hub.constants.ENDPOINT):
        datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = True

    name, part = hub_name(source)
    try:
        return datasets.load_dataset(name, part)
    except Exception as error:  # the library lets through errors of many packages below it
        words = str(error).strip().split("\n")[0][:200]
        raise UserError(
            f"there is no file {source!r} here, and the data set {name!r} could not be had from the hub: "
            f"{type(error).__name__}: {words}",
            hint="Check the spelling and the network, or give a local file: lightune train reviews.csv",
        ) from None
