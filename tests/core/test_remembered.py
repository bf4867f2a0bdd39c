"""What was found out on a machine is kept, and a broken file or a full disk loses no more than that."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from lightune.core.remembered import recall, remember


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIGHTUNE_CACHE", str(tmp_path))
    return tmp_path


def test_entries_are_added_by_name_and_the_gone_ones_left_out() -> None:
    remember("speeds", "here", {"float32": 1.0})
    remember("speeds", "there", {"float32": 2.0})
    remember("others", "here", {"digest": "a"})
    assert recall("speeds") == {"here": {"float32": 1.0}, "there": {"float32": 2.0}}
    remember("speeds", "new", {}, is_kept=lambda name: name == "there")
    assert recall("speeds") == {"there": {"float32": 2.0}, "new": {}}


@pytest.mark.parametrize("content", ["{half", "[1, 2]", '{"here": 3}', "null"])
def test_a_broken_file_is_as_none(content: str, cache: Path) -> None:
    (cache / "speeds.json").write_text(content, encoding="utf-8")
    assert recall("speeds") == {}
    remember("speeds", "here", {"float32": 1.0})
    assert json.loads((cache / "speeds.json").read_text("utf-8")) == {"here": {"float32": 1.0}}


def test_a_full_disk_leaves_what_was_and_nothing_half(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember("speeds", "here", {"float32": 1.0})

    def half(path: Path, data: bytes) -> int:
        with path.open("wb") as stream:
            stream.write(data[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    remember("speeds", "there", {"float32": 2.0})
    assert recall("speeds") == {"here": {"float32": 1.0}}
    assert [one.name for one in cache.iterdir()] == ["speeds.json"]
