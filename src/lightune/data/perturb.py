"""Texts changed as people change them: typos, case, negation, other names, other lengths.

After CheckList (Ribeiro et al. 2020, arXiv:2005.04118). Typos, case, names and length leave the answer as it
was; a negation may turn it, so that what counts there is whether the model notices. A function gives back the
text itself where it finds nothing to change.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Change = Callable[[str, random.Random], str]

TYPO_SHARE = 0.1  # of the words; one at least
SHORTEST = 4  # letters of a word that can bear a typo
# Auxiliaries that "not" follows; where there is one already, it goes.
VERBS = "is are was were am be been does do did has have had can could will would should may might must"
NOT = re.compile(r"\b(?:not|never)\s+|n['’]t\b|(?<=\bcan)not\b", re.IGNORECASE)
WHOLE = {"ca": "n", "wo": "ill", "sha": "ll"}  # can't, won't, shan't
VERB = re.compile(rf"\b({'|'.join(VERBS.split())})\b(?!n['’]t)", re.IGNORECASE)
NAMES = {
    "woman": "Mary Anna Sarah Emily Laura Julia Susan Maria Linda Karen Nina Alice Grace Helen Diana".split(),
    "man": "John James Robert Michael David Peter Paul Thomas Mark Daniel Kevin Brian Adam Oscar".split(),
}
SEX_OF = {name: sex for sex, names in NAMES.items() for name in names}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def typos(text: str, chance: random.Random) -> str:
    """Two letters in the middle of a word change places, or one is left out or written twice."""
    words = re.split(r"(\s+)", text)
    places = [place for place, word in enumerate(words) if len(word) >= SHORTEST and word.isalpha()]
    if not places:
        return _swap_characters(text, chance) if CHINESE.search(text) else text
    for place in chance.sample(places, max(1, round(TYPO_SHARE * len(places)))):
        words[place] = _misspell(words[place], chance)
    return "".join(words)


def _misspell(word: str, chance: random.Random) -> str:
    at = chance.randint(1, len(word) - 3)
    one, other = word[at], word[at + 1]
    kind = chance.choice(("swap", "drop", "double"))
    if kind == "swap" and one != other:
        return word[:at] + other + one + word[at + 2 :]
    return word[:at] + (other if kind == "drop" else one + one + other) + word[at + 2 :]


def _swap_characters(text: str, chance: random.Random) -> str:
    """Two Chinese characters that stand side by side change places."""
    places = [at for at in range(len(text) - 1) if CHINESE.match(text[at]) and CHINESE.match(text[at + 1])]
    if not places:
        return text
    at = chance.choice(places)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def lower(text: str, chance: random.Random) -> str:
    """No capital letter."""
    return text.lower()


def upper(text: str, chance: random.Random) -> str:
    """Capital letters only."""
    return text.upper()


def negate(text: str, chance: random.Random) -> str:
    """The first `not` goes; where there is none, one comes behind the first auxiliary."""
    if (found := NOT.search(text)) is not None:
        before = text[: found.start()]
        last = before.split()[-1].lower() if before.strip() else ""
        if found[0].lower().startswith("n") and last in WHOLE:
            before = before[:-1] + WHOLE[last] if last == "wo" else before + WHOLE[last]
        return before + text[found.end() :]
    return VERB.sub(r"\1 not", text, count=1)


def names(text: str, chance: random.Random) -> str:
    """Common first names become others of the same sex, the same one everywhere."""
    new: dict[str, str] = {}
    for name in sorted(set(re.findall(r"\b[A-Z][a-z]+\b", text)) & SEX_OF.keys()):
        new[name] = chance.choice([other for other in NAMES[SEX_OF[name]] if other != name])
    return re.sub(r"\b[A-Z][a-z]+\b", lambda found: new.get(found[0], found[0]), text)


def shorter(text: str, chance: random.Random) -> str:
    """The first half of the words, or of the characters of a text without blanks."""
    words = text.split()
    if len(words) < 2:
        return text[: len(text) // 2] if len(text) > 3 and CHINESE.search(text) else text
    return " ".join(words[: max(1, len(words) // 2)])


def longer(text: str, chance: random.Random) -> str:
    """The text twice."""
    return f"{text} {text}" if text.strip() else text


CHANGES: dict[str, Change] = {
    "typos": typos,
    "lower case": lower,
    "upper case": upper,
    "negation": negate,
    "other names": names,
    "half as long": shorter,
    "twice as long": longer,
}
"""Name -> change, in the order of the table."""
ENGLISH = {"negation", "other names"}
MAY_TURN = {"negation"}
"""Changes after which another answer may be the right one."""
