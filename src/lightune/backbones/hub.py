"""Models of the Hugging Face hub: fetched into the hub's own cache, found there offline afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from lightune.core.errors import UserError
from lightune.core.progress import Show

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
ASK_SECONDS = 10.0
OTHER_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.jinja",
    "LICENSE*",
)
SAFETENSORS = ("model*.safetensors", "model.safetensors.index.json")
TORCH_FILES = ("pytorch_model*.bin", "pytorch_model.bin.index.json")


def is_hub_id(model: str) -> bool:
    """Whether `model` has the form of a hub id, `name` or `owner/name`."""
    return HUB_ID.fullmatch(model) is not None and ".." not in model and "--" not in model


def wanted_files(names: Iterable[str]) -> list[str]:
    """Of the files of a hub model, those that loading needs: safetensors, or `.bin` when there are none."""
    names = [name for name in names if "/" not in name]
    weights = _matching(names, SAFETENSORS)
    if not any(name.endswith(".safetensors") for name in weights):
        weights = _matching(names, TORCH_FILES)
    return sorted({*_matching(names, OTHER_FILES), *weights})


def find(model: str) -> Path | None:
    """The newest copy of a hub model that is on this machine; asks no network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    patterns = [*OTHER_FILES, *SAFETENSORS, *TORCH_FILES]
    try:
        folder = Path(snapshot_download(model, local_files_only=True, allow_patterns=patterns))
    except (OSError, HFValidationError, HfHubHTTPError):  # LocalEntryNotFoundError is one of them
        return None
    return folder if (folder / "config.json").is_file() else None


def fetch(model: str, show: Show, *, instead: str) -> Path:
    """The folder of a hub model in the hub's cache, fetched when it is not there or not current.

    Args:
        model: a hub id.
        show: whether to draw bars.
        instead: what to do without the hub, for the error's hint.

    Raises:
        UserError: offline, no such model, or one that asks for a login; with `instead`.
    """
    import huggingface_hub as hub
    from huggingface_hub import errors
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        disable_progress_bars,
        enable_progress_bars,
    )

    if hub.constants.HF_HUB_OFFLINE:
        return _local_or_error(model, "HF_HUB_OFFLINE is set", instead)
    if show.is_quiet:
        disable_progress_bars()
    try:
        # model_info asks once, listing the files would try for 23 s when there is no network
        about = hub.HfApi().model_info(model, timeout=ASK_SECONDS)
        files = wanted_files(file.rfilename for file in about.siblings or ())
        return Path(hub.snapshot_download(model, allow_patterns=files))
    except errors.GatedRepoError:
        advice = "Accept its terms on its page there, then run: hf auth login"
        raise UserError(f"the model {model!r} asks for a login on the hub", hint=advice) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        problem = f"there is no model {model!r} on the hub (or it is private), and no such folder here"
        raise UserError(problem, hint=instead) from None
    except Exception as error:  # requests' and httpx's connection errors share no base
        if not _is_network_error(error):
            raise
        return _local_or_error(model, "no connection to it", instead)
    finally:
        if show.is_quiet:
            enable_progress_bars()


def _matching(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    return [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]


def _is_network_error(error: Exception) -> bool:
    libraries = {kind.__module__.split(".")[0].rstrip("0123456789") for kind in type(error).__mro__}
    is_from_client = bool(libraries & {"huggingface_hub", "httpx", "httpcore", "requests", "urllib"})
    return is_from_client or isinstance(error, (ConnectionError, TimeoutError))


def _local_or_error(model: str, reason: str, instead: str) -> Path:
    if folder := find(model):
        return folder
    raise UserError(
        f"there is no folder {model!r} here, and the hub could not be asked for it: {reason}", hint=instead
    )
