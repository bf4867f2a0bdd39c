"""From --model to a folder: names, folders with parts missing, the hub's cache offline, digests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lightune.backbones import hub
from lightune.backbones.source import digest, find_by_digest, resolve
from lightune.core.errors import UserError
from lightune.core.progress import Show

QUIET = Show(is_quiet=True)
WEIGHTS = "model.safetensors"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIGHTUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model(tiny_bert: Path, tmp_path: Path, cache: Path) -> Path:
    """A copy of a tiny model that a test may spoil."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "my-bert"))


def test_a_local_folder(model: Path) -> None:
    source = resolve(str(model), QUIET, can_fetch=False)
    assert source.folder == model
    assert (source.name, source.identifier) == ("my-bert", str(model.resolve()))


def test_a_built_in_model_that_is_not_here_is_not_fetched_unasked(cache: Path) -> None:
    source = resolve("minilm", QUIET, can_fetch=False)
    assert source.folder is None
    assert "lightune models get minilm" in source.reason


def remove_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def remove_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def remove_tokenizer(folder: Path) -> None:
    for file in (*folder.glob("tokenizer*"), *folder.glob("vocab*"), *folder.glob("special*")):
        file.unlink()


def become_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")


def cut_short(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def cut_to_nothing(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"")


def become_pointer(folder: Path) -> None:
    (folder / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")


def lose_shard(folder: Path) -> None:
    index = {"weight_map": {"a": WEIGHTS, "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def leave_gguf(folder: Path) -> None:
    remove_config(folder)
    (folder / "model.gguf").write_bytes(b"GGUF")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (remove_config, "there is no config.json"),
        (remove_weights, "there are no weights"),
        (remove_tokenizer, "there is no tokenizer"),
        (become_adapter, "lightune predict"),
        (cut_short, "this weight file is broken"),
        (cut_to_nothing, "this weight file is broken"),
        (become_pointer, "git lfs pull"),
        (lose_shard, "model-00002-of-00002.safetensors: this weight file is missing"),
        (leave_gguf, "model.gguf"),
    ],
)
def test_a_spoilt_folder_says_what_is_wrong(
    spoil: Callable[[Path], None], expected: str, model: Path
) -> None:
    spoil(model)
    with pytest.raises(UserError) as caught:
        resolve(str(model), QUIET, can_fetch=True)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("minlm", "Did you mean 'minilm'"),
        ("e5-multilingal", "Did you mean 'e5-multilingual'"),
        ("./no/such/folder", "no such model folder"),
        ("C:\\models\\bert", "no such model folder"),
        ("no-such.gguf", "no such file"),
    ],
)
def test_what_is_not_there_says_what_to_do(given: str, expected: str, cache: Path) -> None:
    with pytest.raises(UserError) as caught:
        resolve(given, QUIET, can_fetch=True)
    assert expected in str(caught.value)


def test_a_plain_file_is_no_model(model: Path) -> None:
    with pytest.raises(UserError, match="a model is a folder"):
        resolve(str(model / "config.json"), QUIET, can_fetch=True)


def test_a_file_that_only_says_gguf(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "fake.gguf").write_bytes(b"not one")
    with pytest.raises(UserError, match="not a GGUF file"):
        resolve(str(tmp_path / "fake.gguf"), QUIET, can_fetch=True)
    (tmp_path / "cut.gguf").write_bytes(b"GGUF\x03\0\0\0")
    with pytest.raises(UserError, match="cannot read this GGUF file"):
        resolve(str(tmp_path / "cut.gguf"), QUIET, can_fetch=True)
    assert not [file for file in (cache / "models").iterdir() if file.suffix != ".lock"]


def resolve_in_new_process(given: str, home: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The hub's library reads its environment once, so a fresh process is asked."""
    code = (
        "import sys\nfrom lightune.backbones.source import resolve\n"
        "from lightune.core.errors import UserError\nfrom lightune.core.progress import Show\n"
        "try: print(resolve(sys.argv[1], Show(is_quiet=True), can_fetch=True).folder)\n"
        "except UserError as error: sys.exit(str(error))\n"
    )
    environment = os.environ | {"HF_HOME": str(home), "LIGHTUNE_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", code, given]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_hub_model_is_found_offline_in_the_hubs_own_cache(model: Path, tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "home" / "hub" / "models--someone--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit, encoding="utf-8")
    shutil.copytree(model, repository / "snapshots" / commit)
    done = resolve_in_new_process("someone/tiny", tmp_path / "home", tmp_path)
    assert done.stdout.strip() == str(repository / "snapshots" / commit), done.stderr


def test_a_hub_model_offline_names_the_built_in_ones(tmp_path: Path) -> None:
    done = resolve_in_new_process("bert-base-uncased", tmp_path / "home", tmp_path)
    assert done.returncode == 1
    for word in ("bert-base-uncased", "HF_HUB_OFFLINE", "minilm", "e5-multilingual", "smollm2", "folder"):
        assert word in done.stderr


def test_only_what_loading_needs_is_fetched_from_the_hub() -> None:
    names = ["config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5", "vocab.txt", "README.md"]
    names += ["tokenizer.json", "onnx/model.onnx", "spiece.model", "flax_model.msgpack", "LICENSE"]
    needed = {"LICENSE", "config.json", "spiece.model", "tokenizer.json", "vocab.txt"}
    assert set(hub.wanted_files(names)) == needed | {"model.safetensors"}
    names.remove("model.safetensors")
    assert set(hub.wanted_files(names)) == needed | {"pytorch_model.bin"}


@pytest.mark.parametrize(
    ("given", "is_id"),
    [("bert-base-uncased", True), ("google/bert_uncased_L-2", True), ("a/b/c", False), ("a b", False)],
)
def test_hub_ids(given: str, is_id: bool) -> None:
    assert hub.is_hub_id(given) is is_id


def test_the_digest_is_of_the_bytes_not_of_the_place(model: Path, tmp_path: Path) -> None:
    first = digest(model)
    moved = Path(shutil.copytree(model, tmp_path / "elsewhere"))
    assert digest(moved) == first
    content = bytearray((moved / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (moved / WEIGHTS).write_bytes(bytes(content))
    assert digest(moved) != first
    (model / "config.json").write_text("{}", encoding="utf-8")
    assert digest(model) != first


def test_a_moved_run_finds_its_backbone_by_digest(model: Path, cache: Path) -> None:
    wanted = digest(model)
    assert find_by_digest(wanted) == model.resolve()
    home = cache / "models" / "minilm"
    home.parent.mkdir(parents=True)
    model.rename(home)
    assert find_by_digest(wanted) == home, "found in a known place when the old path is gone"
    shutil.rmtree(home)
    assert find_by_digest(wanted) is None


def test_a_broken_memory_of_digests_is_made_again(model: Path, cache: Path) -> None:
    first = digest(model)
    (cache / "digests.json").write_text("{broken", encoding="utf-8")
    assert digest(model) == first
    assert first in (cache / "digests.json").read_text(encoding="utf-8")
