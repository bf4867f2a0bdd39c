"""Write docs/cli.md, methods.md and settings.md from the program itself; `--check` only compares them.

The figures of methods.md are those of benchmarks/results/methods.json.
Run by `make docs`. A test runs the check, so what the pages say is what the program does.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
NOTE = "<!-- Written by docs/build.py (make docs): change the program, not this page. -->"
COMMAND_LINE = re.compile(r"^  ([a-z][a-z-]*)(?:  |$)", re.MULTILINE)


def main() -> int:
    """Write the pages, or compare them; the exit code says whether something was stale."""
    pages = {HERE / "cli.md": command_page(), HERE / "settings.md": settings_page()}
    pages[HERE / "methods.md"] = methods_page()
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


def methods_page() -> str:
    """Every method: what trains, the paper; then what was measured with few rows and with many."""
    from benchmarks.methods import FILE, means_of
    from lightune.cli.store import method_rows

    methods = method_rows()
    lines = [
        "# Methods",
        NOTE,
        "All that `--method` takes; peft's tuners are those of the installed version.",
    ]
    table = ["| method | what trains | read once and kept | paper |", "|---|---|---|---|"]
    table += [
        f"| `{one['name']}` | "
        + " | ".join(in_cell(str(one[key])) for key in ("trains", "kept", "paper"))
        + " |"
        for one in methods
    ]
    lines += ["\n".join(table), "## What they reach"]
    records = [one for one in json.loads(FILE.read_text(encoding="utf-8")) if "accuracy" in one]
    known = {one["name"] for one in methods}
    lines.append(
        "MiniLM, the default recipe of each, on 1,000 test rows, with a 95% interval (means where there are"
        " several seeds); seconds and memory are those of a whole process on one busy core, with no"
        " activations stored before it (`python benchmarks/methods.py`)."
    )
    for data, rows in sorted(
        {(one["data"], one["rows"]) for one in records}, key=lambda key: (-key[1], key[0])
    ):
        means = {name: mean for name, mean in means_of(records, data, rows).items() if name in known}
        lines += [f"### {data.capitalize()}, {rows:,} rows to train on", measured_table(means)]
    return "\n\n".join(lines) + "\n"


def measured_table(means: dict[str, dict[str, float]]) -> str:
    """What each method reached, in the order given."""
    table = ["| method | accuracy | seeds | seconds | memory, MB | trained numbers | file, MB |"]
    table.append("|---|---|---|---|---|---|---|")
    for name, mean in means.items():
        accuracy = f"{mean['accuracy']:.3f} ± {(mean['high'] - mean['low']) / 2:.3f}"
        table.append(
            f"| `{name}` | {accuracy} | {mean['seeds']} | {mean['seconds']:.0f}"
            f" | {mean['peak_memory_bytes'] / 1e6:,.0f} | {mean['trainable_parameters']:,.0f}"
            f" | {mean['size_bytes'] / 1e6:.2f} |"
        )
    return "\n".join(table)


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
