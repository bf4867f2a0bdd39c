"""The language of texts from their Unicode scripts, and from function words where the script is Latin."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

NUM_LOOKED_AT = 500  # texts, evenly spaced
SCRIPTS = {
    "Han": ("zh", "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"),
    "Kana": ("ja", "\u3040-\u30ff\uff66-\uff9f"),
    "Hangul": ("ko", "\u1100-\u11ff\uac00-\ud7af"),
    "Cyrillic": ("ru", "\u0400-\u04ff"),
    "Arabic": ("ar", "\u0600-\u06ff"),
    "Hebrew": ("he", "\u0590-\u05ff"),
    "Greek": ("el", "\u0370-\u03ff"),
    "Devanagari": ("hi", "\u0900-\u097f"),
    "Thai": ("th", "\u0e00-\u0e7f"),
    "Latin": ("en", "A-Za-z\u00c0-\u024f"),
}
COUNTED = {name: re.compile(f"[{letters}]") for name, (_, letters) in SCRIPTS.items()}
FUNCTION_WORDS = {
    "en": "the of and to is in it that was for you this with not are be have but",
    "de": "der die das und ist nicht ein eine ich zu den mit auf auch sich dem wie",
    "fr": "le la les et est pas une des que je dans pour qui sur ce avec du au",
    "es": "el los las y es que una por con para del se lo como muy pero su",
    "it": "il di che è un una per non sono con del della si ma gli anche più",
    "pt": "o os uma não que é para com do da em se mais muito por mas ao",
    "nl": "het een van en is niet dat ik op te zijn voor met maar er ook",
}
WORDS = {name: frozenset(words.split()) for name, words in FUNCTION_WORDS.items()}


def language(texts: Sequence[str]) -> tuple[str, str]:
    """(language, reason): an ISO 639-1 code such as `en`, `zh`, `ja`, `ko`, or `other`."""
    step = max(1, len(texts) // NUM_LOOKED_AT)
    text = "\n".join(str(item)[:1000] for item in texts[::step])
    counts = {name: len(pattern.findall(text)) for name, pattern in COUNTED.items()}
    total = sum(counts.values())
    if not total:
        return "other", "no letters"
    share = {name: number / total for name, number in counts.items()}
    if share["Kana"] + share["Han"] > 0.3 and share["Kana"] > 0.1 * (share["Kana"] + share["Han"]):
        return "ja", f"{share['Kana']:.0%} of the letters are Kana"
    # A Chinese character carries about as much as a word, so it counts more than a Latin letter.
    weight = {name: number * (3 if name in {"Han", "Hangul"} else 1) for name, number in share.items()}
    script = max(weight, key=lambda name: weight[name])
    if script != "Latin":
        return SCRIPTS[script][0], f"{share[script]:.0%} of the letters are {script}"
    return _latin_language(text, share["Latin"])


def _latin_language(text: str, share: float) -> tuple[str, str]:
    """English unless another language's function words are clearly more frequent."""
    words = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    total = sum(words.values())
    hits = {name: sum(words[word] for word in known) / total for name, known in WORDS.items()}
    best = max(hits, key=lambda name: hits[name])
    if best != "en" and hits[best] > max(0.05, 1.5 * hits["en"]):
        return best, f"{hits[best]:.0%} of the words are function words of {best}"
    if hits["en"] < 0.01 and total > 200 and len(words) > 100:
        return "other", "Latin letters, but hardly any English function words"
    return "en", f"{share:.0%} of the letters are Latin, {hits['en']:.0%} English function words"
