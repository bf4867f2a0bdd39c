"""Fetching with the real pip from a folder of wheels, and with stand-ins for npm: no network."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from pathlib import Path

import pytest

from lightune.core.errors import UserError
from lightune.core.fetch import Package, fetch_package, release
from lightune.core.progress import Show

QUIET = Show(is_quiet=True)
TAG = "py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64"  # pip refuses it elsewhere unless told otherwise
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in client is a shell script")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("LIGHTUNE_CACHE", str(folder))
    monkeypatch.delenv("LIGHTUNE_PACKAGES", raising=False)
    return folder


@pytest.fixture
def shop(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all the registry pip knows."""
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def make_wheel(folder: Path) -> Package:
    name = f"toy_weights-1.0-{TAG}.whl"
    info = "toy_weights-1.0.dist-info"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr("toy_weights/weights.bin", b"7" * 50_000)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-weights\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {TAG}\n")
        wheel.writestr(f"{info}/RECORD", "")
    content = (folder / name).read_bytes()
    options = ("--only-binary=:all:", "--platform=manylinux_2_17_x86_64", "--python-version=312")
    checksum = hashlib.sha256(content).hexdigest()
    return Package("pypi", "toy-weights", "1.0", name, checksum, len(content), options)


def test_pip_fetches_a_wheel_of_another_python_version(shop: Path, cache: Path) -> None:
    package = make_wheel(shop)
    archive = fetch_package(package, QUIET)
    assert archive == cache / "packages" / package.filename
    assert archive.read_bytes() == (shop / package.filename).read_bytes()
    assert [file.suffix for file in archive.parent.iterdir() if file != archive] == [".lock"]


def test_a_second_call_needs_no_registry_and_release_deletes(shop: Path) -> None:
    package = make_wheel(shop)
    archive = fetch_package(package, QUIET)
    (shop / package.filename).unlink()
    assert fetch_package(package, QUIET) == archive
    release(archive)
    with pytest.raises(UserError):
        fetch_package(package, QUIET)


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(shop: Path, cache: Path) -> None:
    package = make_wheel(shop)
    with zipfile.ZipFile(shop / package.filename, "a") as wheel:
        wheel.writestr("toy_weights/more.bin", b"changed")
    with pytest.raises(UserError, match="wrong checksum"):
        fetch_package(package, QUIET)
    assert not [file for file in (cache / "packages").iterdir() if file.suffix != ".lock"]


def test_a_damaged_file_in_the_cache_is_fetched_again(shop: Path) -> None:
    package = make_wheel(shop)
    archive = fetch_package(package, QUIET)
    archive.write_bytes(b"damaged")
    assert fetch_package(package, QUIET).stat().st_size == package.size_bytes


def test_leavings_of_a_killed_process_do_not_matter(shop: Path, cache: Path) -> None:
    package = make_wheel(shop)
    leavings = cache / "packages" / f".{package.filename}.part"
    leavings.mkdir(parents=True)
    (leavings / package.filename).write_bytes(b"half")
    assert fetch_package(package, QUIET).stat().st_size == package.size_bytes
    assert not leavings.exists()


def test_not_found_says_how_to_bring_it_by_hand(shop: Path) -> None:
    package = Package("pypi", "no-such-toy", "9.9", "no_such_toy-9.9-py3-none-any.whl", "0" * 64, 10)
    with pytest.raises(UserError) as caught:
        fetch_package(package, QUIET)
    assert "could not give no-such-toy 9.9" in caught.value.problem
    assert package.filename in caught.value.hint
    assert "LIGHTUNE_PACKAGES" in caught.value.hint


@pytest.mark.parametrize("as_file", [True, False])
def test_a_file_brought_by_hand_is_used_and_never_deleted(
    as_file: bool, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    package = make_wheel(stick)
    place = stick / package.filename if as_file else stick
    monkeypatch.setenv("LIGHTUNE_PACKAGES", os.pathsep.join([str(cache.parent), str(place)]))
    archive = fetch_package(package, QUIET)
    release(archive)
    assert archive == stick / package.filename
    assert archive.is_file()


def test_a_damaged_file_brought_by_hand_is_refused_but_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_wheel(tmp_path)
    file = tmp_path / package.filename
    file.write_bytes(b"half a wheel")
    monkeypatch.setenv("LIGHTUNE_PACKAGES", str(tmp_path))
    with pytest.raises(UserError, match="wrong checksum") as caught:
        fetch_package(package, QUIET)
    assert caught.value.file == str(file)
    assert file.is_file()


def test_a_mistyped_folder_of_packages_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTUNE_PACKAGES", "no/such/folder")
    with pytest.raises(UserError, match="no such file or folder"):
        fetch_package(Package("npm", "toy", "1", "toy-1.tgz", "0" * 64, 1), QUIET)


def install_npm(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a stand-in for npm on the path: the edge of the process."""
    folder.mkdir()
    client = folder / "npm"
    client.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@posix_only
def test_npm_packs_into_the_work_folder(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checksum = hashlib.sha256(b"mails").hexdigest()
    package = Package("npm", "@toy/mails", "1.2.3", "toy-mails-1.2.3.tgz", checksum, 5)
    install_npm(
        tmp_path / "bin",
        '[ "$1 $2" = "pack @toy/mails@1.2.3" ] && printf mails > toy-mails-1.2.3.tgz',
        monkeypatch,
    )
    assert fetch_package(package, QUIET).read_bytes() == b"mails"


@posix_only
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("npm error code ENOTFOUND", "no connection to the npm registry"),
        ("npm error code E404", "could not give @toy/mails 1.2.3: npm error code E404"),
        ("write failed: No space left on device", "the disk filled up"),
        ("npm error 403 from https://user:secret@host/x", "npm error 403 from …"),
    ],
)
def test_the_clients_complaint_becomes_one_message(
    said: str, expected: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_npm(tmp_path / "bin", f"echo '{said}' >&2; exit 1", monkeypatch)
    package = Package("npm", "@toy/mails", "1.2.3", "toy-mails-1.2.3.tgz", "0" * 64, 5)
    with pytest.raises(UserError) as caught:
        fetch_package(package, QUIET)
    assert expected in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_missing_client_is_named(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="needs npm, which is not installed"):
        fetch_package(Package("npm", "toy", "1", "toy-1.tgz", "0" * 64, 1), QUIET)


def test_too_little_room_is_found_before_fetching(shop: Path) -> None:
    package = make_wheel(shop)
    huge = Package("pypi", "toy-weights", "1.0", package.filename, package.sha256, 10**18)
    with pytest.raises(UserError, match="not enough room"):
        fetch_package(huge, QUIET)
