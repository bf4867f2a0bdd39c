"""The package as `pip install` gives it: its metadata, and a wheel that works by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import lightune
from tests.source import PACKAGE, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def run(*command: str | Path, folder: Path) -> str:
    """Run a program in `folder`, outside the repository; its output."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


def test_version_is_written_once_more_and_the_same() -> None:
    assert PROJECT["version"] == lightune.__version__ == metadata.version("lightune")


def test_every_dependency_is_pinned_for_the_tests() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    extras = [name for group in PROJECT["optional-dependencies"].values() for name in group]
    wanted = {name.split(">=")[0].lower() for name in [*PROJECT["dependencies"], *extras] if ">=" in name}
    assert wanted <= pinned, f"constraints.txt lacks {sorted(wanted - pinned)}"
    assert not [line for line in lines if "+" in line.partition("#")[0]], (
        "a local version is found nowhere else"
    )


def test_dependencies_have_lower_bounds_only() -> None:
    assert [name for name in PROJECT["dependencies"] if ">=" not in name or "<" in name or "==" in name] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, folder=folder)
    return next(folder.glob("lightune-*.whl"))


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {str(Path("lightune", path.relative_to(PACKAGE)).as_posix()) for path in PACKAGE.rglob("*.py")}
    assert expected <= files
    assert all(name.startswith("lightune/") for name in files)


@pytest.mark.slow
def test_wheel_works_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "environment"
    venv.create(place, with_pip=False)
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=tmp_path).strip()
    )
    # pip of this environment installs into the new one, so that nothing is fetched.
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--no-index", "--no-deps", wheel, folder=tmp_path)
    # The heavy dependencies are borrowed, without the .pth files that would lead to this repository.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    home = run(python, "-c", "import lightune; print(lightune.__file__)", folder=tmp_path)
    assert Path(home.strip()).is_relative_to(site), "the wheel's own files are used, not the repository's"
    assert "train" in run(scripts / "lightune", "--help", folder=tmp_path)
    assert "minilm" in run(scripts / "lightune", "models", "list", folder=tmp_path)
