"""Personal data in a text that has a form of its own: phone, mail, card, id, IBAN, IP, URL.

A form alone is not believed where there is a check: cards by Luhn's sum, IBANs by ISO 7064, Chinese and
American ids by python-stdnum, phone numbers by the numbering plans in phonenumbers. Bare digits are a phone
number only where the words around them do not call them something else.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lightune.core.errors import require_extra

BEHIND = 24  # characters before a number that say what it is
OTHER = re.compile(
    r"(order|invoice|ticket|tracking|parcel|item|part|serial|model|ref(erence)?|no\.?|case|account|batch"
    r"|订单|单号|编号|编码|序列|型号|货号|快递|发票|流水|账号|批次)\W*(number|no\.?)?\W*(is|was|是|为|号|码)?\W*$",
    re.I,
)
CALLED = re.compile(
    r"(call|phone|tel|mobile|cell|fax|whatsapp|dial|ring|text me|reach"
    r"|电话|手机|致电|拨打|联系方式|微信)\D*$",
    re.I,
)


@dataclass(frozen=True, order=True)
class Found:
    """One piece of personal data: characters [start, end) of the text."""

    start: int
    end: int
    kind: str


def libraries() -> None:
    """Check that the libraries are there, before anything is read.

    Raises:
        UserError: one is missing, with the command that installs it.
    """
    for name in ("phonenumbers", "stdnum", "names"):
        require_extra(name, "privacy")


def _all(pattern: str, kind: str, check: Callable[[str, str], bool] | None = None, flags: int = 0):  # type: ignore[no-untyped-def]
    """A finder: matches of `pattern` that pass `check` (the match, and the text before it)."""
    compiled = re.compile(pattern, flags)

    def find(text: str) -> Iterator[Found]:
        for match in compiled.finditer(text):
            if check is None or check(match[0], text[max(0, match.start() - BEHIND) : match.start()]):
                yield Found(match.start(), match.end(), kind)

    return find


def _is_card(words: str, before: str) -> bool:
    from stdnum import luhn

    digits = re.sub(r"\D", "", words)
    return digits[0] in "23456" and len(set(digits)) > 1 and luhn.is_valid(digits)


def _is_iban(words: str, before: str) -> bool:
    from stdnum import iban

    return bool(iban.is_valid(words, check_country=False))


def _is_chinese_id(words: str, before: str) -> bool:
    from stdnum.cn import ric

    number = words.upper()
    try:  # its list of places knows too few of the older ones
        ric.get_birth_date(number)
    except ValueError:
        return False
    return bool(ric.calc_check_digit(number) == number[-1])


def _is_american_id(words: str, before: str) -> bool:
    from stdnum.us import ssn

    is_named = re.search(r"(ssn|social security)\D*$", before, re.I) is not None
    return ("-" in words or is_named) and bool(ssn.is_valid(words))


def _is_address(words: str, before: str) -> bool:
    if re.search(r"(\bv|version|release|版本)\W*$", before, re.I):
        return False
    try:
        ipaddress.ip_address(words)
    except ValueError:
        return False
    return words not in {"::", "::1"}


def _phones(text: str) -> Iterator[Found]:
    """Numbers that the plan of their country holds for possible and valid."""
    from phonenumbers import Leniency, PhoneNumberMatcher

    seen: set[tuple[int, int]] = set()
    for region in ("CN", "US"):
        for match in PhoneNumberMatcher(text, region, leniency=Leniency.VALID):
            place = (match.start, match.end)
            before = text[max(0, match.start - BEHIND) : match.start]
            if place not in seen and _is_phone(match.raw_string, before, region):
                seen.add(place)
                yield Found(match.start, match.end, "PHONE")


def _is_phone(words: str, before: str, region: str) -> bool:
    digits = re.sub(r"\D", "", words)
    if words.startswith("+"):
        return True
    if OTHER.search(before) and not CALLED.search(before):
        return False
    is_mobile = region == "CN" and re.fullmatch(r"1[3-9]\d{9}", digits) is not None
    is_written_as_one = re.search(r"\d[ .-]\d|\(\d", words) is not None
    return is_mobile or is_written_as_one or CALLED.search(before) is not None


DIGIT_BEFORE, DIGIT_AFTER = r"(?<![\dA-Za-z.-])", r"(?![\dA-Za-z]|[.-]\d)"
FINDERS: tuple[Callable[[str], Iterator[Found]], ...] = (
    _all(r"[A-Za-z0-9][\w.+%-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}", "MAIL", flags=re.A),
    _all(r"(?:https?://|www\.)[^\s<>\"'，。；）)]*[^\s<>\"'，。；）).,;!?]", "URL"),
    _all(
        r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![A-Z0-9])", "IBAN", _is_iban
    ),
    _all(rf"{DIGIT_BEFORE}\d{{17}}[\dXx]{DIGIT_AFTER}", "ID", _is_chinese_id),
    _all(rf"{DIGIT_BEFORE}\d(?:[ -]?\d){{12,18}}{DIGIT_AFTER}", "CARD", _is_card),
    _all(rf"{DIGIT_BEFORE}\d{{3}}-?\d{{2}}-?\d{{4}}{DIGIT_AFTER}", "ID", _is_american_id),
    _all(rf"{DIGIT_BEFORE}(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?![\d]|\.\d)", "IP", _is_address),
    _all(r"(?<![0-9A-Za-z:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![0-9A-Za-z:])", "IP", _is_address),
    _phones,
)
KINDS = ("PHONE", "MAIL", "CARD", "ID", "IBAN", "IP", "URL", "NAME", "ADDRESS")
