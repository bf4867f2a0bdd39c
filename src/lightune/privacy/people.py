"""Names and addresses of people, in English and Chinese: by lists of names and by the words around them.

English: the US Census's lists of first and last names (package `names`). Chinese: the surnames below, which
nine in ten people have, with what stands before or behind a name. A list finds no name that is not on it: a
tagger trained on names (`--names RUN`) finds more.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from importlib.resources import files

from lightune.privacy.personal import Found

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜"
    "戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
COMPOUND = "欧阳|上官|司马|诸葛|皇甫|令狐|慕容|司徒"
NAME_ZH = rf"(?:(?:{COMPOUND})[一-龥]{{1,2}}|[{SURNAMES}][一-龥]{{1,2}}?)"
TITLES_ZH = "先生|女士|小姐|老师|医生|大夫|律师|经理|教授|主任|同学|师傅|阿姨|叔叔|总监|护士"
BEFORE_ZH = (
    "姓名|我叫|名叫|叫做|我是|联系人|收件人|收货人|寄件人|客户|患者|病人|员工|业主|持卡人|申请人|负责人|投保人"
    "|同事|朋友|邻居|此致"
)
BEHIND_ZH = rf"$|[^一-龥]|[的说已在于来打和与向给对从住因想要]|{TITLES_ZH}"
NAMED_ZH = re.compile(rf"(?:{BEFORE_ZH})(?:是|为|叫)?[：:\s]*({NAME_ZH})(?={BEHIND_ZH})")
TITLED_ZH = re.compile(rf"({NAME_ZH}|[{SURNAMES}])(?:{TITLES_ZH})")
NOT_NAMES_ZH = set(
    "高兴 高度 王国 方便 方法 方面 白天 马上 任务 任何 安全 常见 文件 金额 万一 石油 何时".split()
)
ADDRESS_ZH = re.compile(
    r"(?:[一-龥]{2,4}?(?:省|自治区))?(?:[一-龥]{2,4}?市)?(?:[一-龥]{1,4}?(?:区|县))?"
    r"[一-龥]{1,8}?(?:路|街|大道|巷|弄|胡同)\s*\d+\s*(?:号|弄)"
    r"(?:院)?(?:\s*\d+\s*(?:号楼|栋|幢|座|单元|楼))*(?:\s*\d+\s*(?:室|号|房))?"
)
LEADING_ZH = re.compile(r"^(?:地址|住址|住在|位于|寄到|寄往|送到|送至|家住|搬到|我住|住|在|到|是|为|请|址)+")
STREETS = (
    "Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl|Square|Terrace"
    "|Highway|Hwy"
)
ADDRESS_EN = re.compile(
    rf"(?<![\w#-])\d{{1,5}}(?: [NSEW]\.?)?(?: [A-Z][a-z]+| \d+(?:st|nd|rd|th)){{1,3}} (?:{STREETS})\b\.?"
    r"(?:,? (?:Apt|Suite|Unit|#)\.? ?\w+)?"
    r"(?:, [A-Z][a-z]+(?: [A-Z][a-z]+)?)?(?:,? [A-Z]{2} \d{5}(?:-\d{4})?)?"
)
WORD = r"[A-Z][a-z]+(?:[-'][A-Z]?[a-z]+)?"
WORDS_EN = re.compile(rf"\b{WORD}(?: (?:[A-Z]\.|{WORD})){{0,3}}")
TITLES_EN = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Sir|Madam)\.? $")
CALLED_EN = re.compile(
    r"\b(?:[Mm]y name is|I am|I'm|[Nn]ame:|[Dd]ear|[Hh]i|[Hh]ello|[Ss]igned,?|[Rr]egards,|[Cc]ontact"
    r"|[Aa]ttn:?|called|named) $"
)
# First names that are words or places as well: alone they are no name.
WORDS_TOO = frozenset(
    """April August Autumn Chase Christian Dawn Faith Grace Grant Hope Jordan Joy June Mark May Paris Rose
    Summer Will Victoria Virginia Georgia Florence Sydney London Austin Houston Dallas Carolina Chelsea
    Brooklyn Madison Lincoln Washington Jackson Charlotte Orlando San Santa Los Las New North South East West
    Young Long Love""".split()
)
NO_SURNAMES = frozenset(
    """Street Road Avenue Park Hill Lake City Day Bank Hall House School Church Island River Green Black White
    Brown Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March July September
    October November December Period Sale Wars Best Case Price Power Star Christmas Post Stone Store Art
    The""".split()
)
MOST_SURNAMES = 20_000  # the rarer ones are mostly words


@functools.cache
def first_names() -> frozenset[str]:
    """The Census's first names, capitalised."""
    return frozenset(_listed("dist.male.first") + _listed("dist.female.first"))


@functools.cache
def last_names() -> frozenset[str]:
    """Its commoner last names, capitalised."""
    return frozenset(_listed("dist.all.last")[:MOST_SURNAMES])


def _listed(name: str) -> list[str]:
    lines = files("names").joinpath(name).read_text(encoding="utf-8").splitlines()
    return [line.split()[0].capitalize() for line in lines if line.strip()]


def english_names(text: str) -> Iterator[Found]:
    """First and last name; a name behind a title, a greeting or `my name is`."""
    for match in WORDS_EN.finditer(text):
        words = [(one.start() + match.start(), one[0]) for one in re.finditer(r"\S+", match[0])]
        place = 0
        while place < len(words):
            length = _name_length([word for _, word in words[place:]], text[: words[place][0]])
            if length:
                last, word = words[place + length - 1]
                yield Found(words[place][0], last + len(word), "NAME")
            place += max(1, length)


def _name_length(words: list[str], before: str) -> int:
    """How many of the capitalised words are a name, from the first one on; 0 for none."""
    first, last = first_names(), last_names()
    is_called = TITLES_EN.search(before) or CALLED_EN.search(before)
    follows = 2 if len(words) > 2 and re.fullmatch(r"[A-Z]\.", words[1]) else 1
    has_last = len(words) > follows and _is_last(words[follows], last)
    if (
        words[0] in first
        and has_last
        and (words[0] not in WORDS_TOO or is_called or _is_rare(words[follows]))
    ):
        return follows + 1
    if is_called and (words[0] in first or (_is_last(words[0], last) and TITLES_EN.search(before))):
        return follows + 1 if has_last else 1
    return 0


def _is_last(word: str, known: frozenset[str]) -> bool:
    return word.capitalize() in known and word not in NO_SURNAMES


def _is_rare(word: str) -> bool:
    """A last name that is nothing else: not a first name, a month or a word that sentences begin with."""
    return word not in NO_SURNAMES and word not in WORDS_TOO


def chinese_names(text: str) -> Iterator[Found]:
    """A name with a title behind it, or what announces one before it."""
    for pattern in (NAMED_ZH, TITLED_ZH):
        for match in pattern.finditer(text):
            if match[1] not in NOT_NAMES_ZH:
                yield Found(match.start(1), match.end(1), "NAME")


def addresses(text: str) -> Iterator[Found]:
    """House number and street, with town and flat where they stand beside it."""
    for match in ADDRESS_EN.finditer(text):
        yield Found(match.start(), match.end(), "ADDRESS")
    for match in ADDRESS_ZH.finditer(text):
        lead = LEADING_ZH.match(match[0])
        yield Found(match.start() + (lead.end() if lead else 0), match.end(), "ADDRESS")


FINDERS = (addresses, english_names, chinese_names)
