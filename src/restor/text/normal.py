"""The normal form in which answers are compared."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from restor.text.dates import MONTHS, dated, months_named
from restor.text.letters import plain_letters, spaced
from restor.text.numbers import NUMERALS, Words, numbered, without_romans, without_separators
from restor.text.signs import KEPT, SYMBOLS, UNITS, as_signs, before_letters, marked

ARTICLES = frozenset({"a", "an", "the"})

_FORMS = {
    word: form
    for form, words in {
        "saint": "st ste",
        "mount": "mt",
        "university": "univ",
        "department": "dept",
        "lieutenant": "lt",
        "junior": "jr",
        "senior": "sr",
        "doctor": "dr",
        "professor": "prof",
        "center": "centre",
        "theater": "theatre",
        "color": "colour",
        "labor": "labour",
        "honor": "honour",
        "harbor": "harbour",
        "defense": "defence",
        "program": "programme",
        "gray": "grey",
        "organization": "organisation",
        "meter": "metre",
        "meters": "metres",
        "kilometer": "kilometre",
        "kilometers": "kilometres",
    }.items()
    for word in words.split()
} | {f"{unit}s": unit for unit in UNITS}
"""Abbreviations and British spellings of words that names are made of, and units."""


@lru_cache(maxsize=65536)
def normalise(text: str) -> Words:
    """The words of an answer in the form in which whole answers are compared: the same words mean the same answer.

    As `read_words` has them, with Roman numerals in digits where they stand behind or before another word. An answer
    without letters and digits, such as the name of the band `!!!`, is its signs.
    """
    return without_romans(read_words(text)) or tuple(unicodedata.normalize("NFC", text).split())


@lru_cache(maxsize=65536)
def read_words(text: str) -> Words:
    """The words of a text in the form in which answers are looked for.

    Case, accents, punctuation, a leading article and any `the` do not count; signs that tell answers apart do (`C++`,
    `A-`, `<5`, `10⁶`), and those of units are words (`$5`, `5 dollars`). Numbers are in digits without separators
    (`1,000`, `one thousand`, `1000`), ordinals too. A date is day, name of the month and year, in this order, as far
    as they are told. Initials stand together (`J. R. R.`, `J.R.R.`), and some abbreviations are written out. Scripts
    that put no spaces between words have a word per letter.
    """
    words = _split(text)
    if not words:
        return ()
    if any(word in _FORMS for word in words):
        words = [_FORMS.get(word, word) for word in words]
    if "cent" in words:
        words = _PER_CENT.sub("percent", " ".join(words)).split(" ")
    if not NUMERALS.isdisjoint(words):
        words = numbered(words)
    if not MONTHS.keys().isdisjoint(words):
        words = dated(words)
    if "the" in words:
        words = [word for word in words if word != "the"] or ["the"]
    while len(words) > 1 and words[0] in ARTICLES:
        words = words[1:]
    return tuple(words)


_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ`´ʹ′", "'") | dict.fromkeys((*KEPT, "_"), " "))
"""Signs that stand for an apostrophe, which joins words; and those that stand for others in what follows."""
_PLAIN = re.compile(
    r"[a-z ,;:!?\"()]*(?:-(?=[a-z])[a-z ,;:!?\"()]*)*"
)  # nothing but words; every sign of it parts them
_WORD = re.compile("[a-z]+")
_PER_CENT = re.compile(r"\bper cent\b")
_THIN = re.compile("(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")
_FEET = re.compile(r"(?<=\d)'(?=\d)(?!\d{3}(?!\d))")
_AND = re.compile(r"\s*&\s*|\s\+\s|(?<=\w)\s+'n'?\s+(?=\w)")
_INITIALS = re.compile(r"(?<!\w)[^\W\d_](?:\.[^\W\d_])+(?:\.|(?!\w))|(?<!\w)[^\W\d_]\.(?:\s*[^\W\d_]\.)+")
_DIGIT = re.compile("[0-9]")
_BACK = str.maketrans(KEPT)


def _split(text: str) -> list[str]:
    """Caseless words without accents and punctuation, signs that belong to them kept."""
    text = text.translate(_APOSTROPHES).strip()
    plain = as_signs(plain_letters(before_letters(_THIN.sub("", text))))
    if _PLAIN.fullmatch(plain):
        return _WORD.findall(plain)
    plain = _AND.sub(" and ", marked(plain))
    plain = _FEET.sub(" ", plain).replace("'", "")
    if "." in plain:
        plain = _INITIALS.sub(_joined, plain)
    if _DIGIT.search(plain):
        plain = without_separators(months_named(plain))
    return "".join(map(_letter, spaced(plain))).translate(_BACK).split()


def _joined(match: re.Match[str]) -> str:
    ends = match.string[match.end() : match.end() + 1] in KEPT
    return "".join(letter for letter in match[0] if letter.isalpha()) + ("" if ends else " ")


def _letter(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind == "Cf":  # invisible, such as a soft hyphen or a mark of direction
        return ""
    if kind[0] in "LMN" or letter in KEPT:
        return letter
    return f" {letter} " if letter in SYMBOLS else " "
