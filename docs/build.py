"""Write docs/cli.md and docs/settings.md from the program itself; `--check` only compares them.

Run by `make docs`. A test runs the check, so what the pages say is what the program does.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOTE = "<!-- Written by docs/build.py (make docs): change the program, not this page. -->"
COMMAND_LINE = re.compile(r"^  ([a-z][a-z-]*)(?:  |$)", re.MULTILINE)


def main() -> int:
    """Write the pages, or compare them; the exit code says whether something was stale."""
    pages = {HERE / "cli.md": command_page(), HERE / "settings.md": settings_page()}
    if "--check" not in sys.argv[1:]:
        for path, text in pages.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path.name for path, text in pages.items() if not is_same(path, text)]
    for name in stale:
        print(f"docs/{name} is not what the program says: run `make docs`", file=sys.stderr)
    return 1 if stale else 0


def is_same(path: Path, text: str) -> bool:
    """Whether the page exists and says exactly `text`."""
    return path.exists() and path.read_text(encoding="utf-8") == text


def command_page() -> str:
    """`--help` of the program and of every command, those of command groups included."""
    sections = ["# The command line", NOTE]
    waiting: list[list[str]] = [[]]
    while waiting:
        words = waiting.pop(0)
        text = help_of(words)
        sections.append(f"## lightune {' '.join(words)}".rstrip() + f"\n\n```text\n{text}\n```")
        waiting[:0] = [[*words, name] for name in commands_in(text)]
    return "\n\n".join(sections) + "\n"


def help_of(words: list[str]) -> str:
    """What `lightune WORDS --help` prints on a terminal of 100 columns."""
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONUTF8": "1"}
    program = [sys.executable, "-m", "lightune", *words, "--help"]
    done = subprocess.run(
        program, capture_output=True, text=True, encoding="utf-8", check=True, env=environment
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def commands_in(text: str) -> list[str]:
    """The names in the `Commands:` part of a help text, in its order."""
    _, found, listed = text.partition("\nCommands:\n")
    return COMMAND_LINE.findall(listed) if found else []


def settings_page() -> str:
    """One table a settings group, from the fields that check the values."""
    from lightune.cli.app import settings_tables
    from lightune.cli.language import pretrain_tables

    told = (
        "Each is a flag of `train` and `plan`, and a line of a `--config` file; those of a `--kind` are flags"
    )
    lines = ["# Settings", NOTE, f"{told} of `pretrain`, which takes `--data.*` too."]
    for title, rows in settings_tables() + pretrain_tables():
        table = ["| flag | default | meaning |", "|---|---|---|"]
        table += ["| " + " | ".join(in_cell(part) for part in row) + " |" for row in as_code(rows)]
        lines += [
            f"## `{title.split(':')[0]}`",
            title.partition(": ")[2].capitalize() + ".",
            "\n".join(table),
        ]
    return "\n\n".join(lines) + "\n"


def as_code(rows: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Flags and defaults in code marks; `derived` and an empty default are no values."""
    return [
        (f"`{flag}`", default if default in {"", "derived"} else f"`{default}`", meaning)
        for flag, default, meaning in rows
    ]


def in_cell(text: str) -> str:
    """Text that cannot end a table's cell."""
    return text.replace("|", r"\|").strip()


if __name__ == "__main__":
    sys.exit(main())
