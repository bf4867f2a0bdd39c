"""The parts that a run folder's state names: its task, its method, its backbone; each checked before use."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.runs.folder import RunState

if TYPE_CHECKING:
    from lightune.backbones.source import Source
    from lightune.methods.base import Method
    from lightune.tasks.base import Task

DIGEST_BYTES = 16
MOST_BYTES = 256 << 20  # larger weights are not read twice to be checked: a second each
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "merges.txt",
    "*vocab*",
    "*.model",
    "*.spm",
)


def task_of(state: RunState) -> Task:
    """The task with its labels."""
    from lightune import tasks
    from lightune.core import plugins
    from lightune.tasks.base import Task

    task = plugins.load(tasks, state.task, Task)()  # type: ignore[type-abstract]
    task.restore(state.task_state)
    return task


def method_of(state: RunState) -> Method:
    """The method with its settings and head."""
    from lightune import methods
    from lightune.core import plugins
    from lightune.methods.base import Method

    kind = plugins.load(methods, state.method, Method)  # type: ignore[type-abstract]
    return kind(kind.Settings(**state.method_settings), state.head)


def source_of(folder: Path, state: RunState, show: Show, model: str | None = None) -> Source:
    """Where the run's backbone and tokenizer are, once its own files and these are seen to be as they were.

    Args:
        model: where to look for the backbone, instead of where it was.

    Raises:
        UserError: a weight file is broken or changed, the backbone is nowhere or another one, or its
            tokenizer has changed.
    """
    from lightune.backbones.source import Source, require_whole

    for name in state.extra.get("weights", ()):
        require_whole(folder / name)
    _require_unchanged(folder, state)
    own = folder if state.extra.get("has_own_tokenizer") else None
    near = (folder,) if state.extra.get("merged_from") else ()  # a merged run holds its whole network
    found = find_backbone(state, show, model, near)
    expected = state.extra.get("tokenizer_digest")
    if expected and (digest := tokenizer_digest(own or found)) != expected:
        raise UserError(
            f"the tokenizer is not the one that the run was trained with (digest {digest}, not {expected})",
            file=own or found,
            hint="Put its files back as they were: other tokens would give other answers.",
        )
    return Source(found, state.identifier, state.model, "the run's own", tokenizer=own)


def weight_digests(folder: Path, names: list[str]) -> dict[str, str]:
    """File name -> hex blake2b of those weight files that are small enough to be read twice."""
    return {name: _digest([folder / name]) for name in names if (folder / name).stat().st_size <= MOST_BYTES}


def tokenizer_digest(folder: Path | str) -> str:
    """The hex blake2b of the files that make a tokenizer; "" where there are none."""
    place = Path(folder)
    files = sorted({file for pattern in TOKENIZER_FILES for file in place.glob(pattern) if file.is_file()})
    return _digest(files) if files else ""


def _digest(files: list[Path]) -> str:
    found = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for file in files:
        found.update(f"{file.name} {file.stat().st_size}\n".encode())
        found.update(file.read_bytes())
    return found.hexdigest()


def _require_unchanged(folder: Path, state: RunState) -> None:
    """Raise `UserError` where a weight file has other bytes than were saved; older runs do not know them."""
    known: dict[str, Any] = state.extra.get("weight_digests", {})
    expected = state.extra.get("weights", ())
    for name, digest in ((name, digest) for name, digest in known.items() if name in expected):
        if _digest([folder / name]) != digest:
            hint = (
                "Copy the folder again. An adapter changed on purpose opens without lightune.json beside it."
            )
            problem = "this weight file is not the one that was saved: it is corrupted, or was changed since"
            raise UserError(problem, file=folder / name, hint=hint)


def find_backbone(state: RunState, show: Show, model: str | None = None, near: tuple[Path, ...] = ()) -> Path:
    """The folder of the backbone the run was trained on, by address and then by digest.

    Args:
        model: the person's own address, which must be right.
        near: folders to look at first.

    Raises:
        UserError: it is nowhere, or what stands at its address is another model.
    """
    from lightune.backbones.digests import digest, find_by_digest
    from lightune.backbones.source import resolve

    wrong = None
    if model is not None and not state.extra.get("is_foreign"):
        folder = resolve(model, show, can_fetch=False).folder
        if folder is not None and digest(folder) == state.digest:
            return folder
        raise _another(folder or Path(model))
    for name in (*map(str, near), state.identifier, state.model):
        try:
            folder = resolve(name, show, can_fetch=False).folder
        except UserError:
            continue
        if folder is not None and digest(folder) == state.digest:
            return folder
        wrong = folder or wrong
    found = find_by_digest(state.digest)
    if found is not None:
        return found
    if wrong is not None:
        raise _another(wrong)
    raise UserError(
        f"the run's backbone {state.model!r} is not on this machine",
        file=state.identifier,
        hint=f"Fetch it with: lightune models get {state.model}  (or name its folder with --model).",
    )


def _another(folder: Path) -> UserError:
    return UserError(
        f"the model in {folder} is not the one that this run was trained on (its bytes differ)",
        hint="Put the original model back, or train again on this one.",
    )
