"""What the READMEs and the pages of docs/ tell a person to type works, in the order it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.running import lightune
from tests.conftest import SHARED, network_allowed
from tests.source import ROOT

ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
PAGES = (
    ENGLISH,
    "examples/README.md",
    "docs/how-it-works.md",
    "docs/principles.md",
    "docs/principles.zh-CN.md",
    "docs/data.md",
    "docs/privacy.md",
)
BLOCK = re.compile(r"(?:<!-- not run: (?P<why>.+?) -->\n)?```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.S | re.M)
HEADING = re.compile(r"^#+ ", re.M)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
MOST_NOT_RUN = 3


@dataclass(frozen=True)
class Block:
    """A fenced block. `why` is the reason for not running it, "" when it is run."""

    kind: str
    body: str
    why: str

    @property
    def commands(self) -> list[list[str]]:
        """The words of each line, without comments; lines that end in a backslash are joined."""
        lines = self.body.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [Block(one["kind"], one["body"], one["why"] or "") for one in BLOCK.finditer(text)]
    assert 2 * len(found) == len(re.findall("^```", text, re.M)), f"{page}: a fence is not closed"
    return found


@pytest.fixture(scope="module")
def place(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a fresh clone: the examples are there, nothing else is."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


@pytest.fixture
def own_cache(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder for the test alone, since the pages clear it; models and data sets are shared."""
    for part in SHARED:
        if (environment / part).exists():
            (tmp_path / part).symlink_to((environment / part).resolve(), target_is_directory=True)
    monkeypatch.setenv("LIGHTUNE_CACHE", str(tmp_path))


# peft asks transformers for a name that it will drop one day
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.usefixtures("own_cache", "minilm")
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_works(page: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    shutil.rmtree(place / "runs", ignore_errors=True)
    names: dict[str, object] = {"__name__": page}
    for block in blocks(page):
        if block.kind == "bash" and not block.why:
            for words in block.commands:
                run_command(words, place)
        elif block.kind == "python" and not block.why:
            exec(compile(block.body, page, "exec"), names)


def run_command(words: list[str], folder: Path) -> None:
    assert words[0] == "lightune", f"mark the block as not run, with the reason: {words}"
    if words[1:3] == ["train", "movies"]:
        fetch_movies()
    ended = lightune(*words[1:], folder=folder)
    assert ended.code == 0, f"{shlex.join(words)}\n{ended.err}"
    assert "Traceback" not in ended.err


def fetch_movies() -> None:
    from lightune.core.progress import Show
    from lightune.data.bundled import bundled

    with network_allowed():
        bundled("movies", Show(is_quiet=True))


@pytest.mark.parametrize("page", [*PAGES, CHINESE])
def test_few_blocks_are_left_out_and_all_are_of_a_known_kind(page: str) -> None:
    found = blocks(page)
    assert {block.kind for block in found} <= {"bash", "python", "text"}
    assert sum(bool(block.why) for block in found) <= MOST_NOT_RUN


def test_both_languages_say_the_same() -> None:
    english, chinese = blocks(ENGLISH), blocks(CHINESE)
    assert [block.kind for block in english] == [block.kind for block in chinese]
    assert [bool(block.why) for block in english] == [bool(block.why) for block in chinese]
    for one, other in zip(english, chinese, strict=True):
        if one.kind == "bash":
            assert one.commands == other.commands
        elif one.kind == "python":
            assert without_comments(one.body) == without_comments(other.body)
    texts = [(ROOT / page).read_text(encoding="utf-8") for page in (ENGLISH, CHINESE)]
    depths = [[len(found.group()) for found in HEADING.finditer(BLOCK.sub("", text))] for text in texts]
    assert depths[0] == depths[1]
    tables = [[line.count("|") for line in text.splitlines() if line.startswith("|")] for text in texts]
    assert tables[0] == tables[1], "the tables have the same rows and columns"


def without_comments(code: str) -> list[str]:
    return [line.partition("  #")[0].rstrip() for line in code.splitlines()]


@pytest.mark.parametrize("page", [*PAGES, CHINESE, "CONTRIBUTING.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for target, heading in LINK.findall(text):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page}: {target}"
        if heading:
            assert heading in anchors(path), f"{page}: {target}#{heading}"


def anchors(path: Path) -> set[str]:
    """The names that headings of a page are linked by."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if HEADING.match(line)]
    plain = [re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()) for line in lines]
    return {line.replace(" ", "-") for line in plain}


def test_the_printed_tree_is_the_package() -> None:
    """Every folder and file of the package that the tree names exists, and no folder is left out."""
    package = ROOT / "src" / "lightune"
    folders = {path.name for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"}
    for page in (ENGLISH, CHINESE):
        tree = next(block.body for block in blocks(page) if block.body.startswith("src/lightune/"))
        named = re.findall(r"^  ([\w.]+/?) ", tree, re.M)
        assert {name.rstrip("/") for name in named if name.endswith("/")} == folders
        assert all((package / name).exists() for name in named)


def test_tables_name_every_task_method_and_model() -> None:
    from lightune import methods, tasks
    from lightune.backbones import catalog
    from lightune.core import plugins
    from lightune.data.bundled import names

    wanted = {*plugins.names(tasks), *plugins.names(methods), *catalog.names(), *names()}
    for page in (ENGLISH, CHINESE):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [name for name in sorted(wanted) if f"`{name}`" not in text] == []


def test_the_settings_a_page_names_exist() -> None:
    from lightune.cli.app import settings_tables

    known = {flag for _, rows in settings_tables() for flag, _, _ in rows}
    for page in (*PAGES, CHINESE):
        text = (ROOT / page).read_text(encoding="utf-8")
        named = set(re.findall(r"--(?:train|method|data|cache)\.[a-z][a-z_-]*", text))
        assert named <= known, page
