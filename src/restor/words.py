"""Words: coined names for a world in which nobody and nothing is real, and how text splits into words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from random import Random

ONSETS = "b br c cl d dr f g gr h j k l m n p pr r s sk st t th tr v w z".split()
VOWELS = "a e i o u ai ea io".split()
CODAS = ["", "l", "m", "n", "r", "s", "th", "nd", "rk", "st"]
ENDINGS = {
    "first": ["a", "o", "en", "is", "ra", "lio", "an", "ys"],
    "last": ["sen", "ton", "ick", "ovar", "mann", "elli", "wood", "ard"],
    "partner": ["ine", "ael", "ous", "etta", "im", "ova"],
    "city": ["burg", "ville", "port", "stad", "mouth", "haven"],
    "country": ["land", "ia", "istan", "mark", "onia"],
    "tongue": ["ish", "ese", "ic", "an"],
    "college": ["gate", "minster", "field", "hurst"],
    "company": ["corp", "tec", "works", "soft"],
    "town": ["dale", "by", "wick", "ford"],
    "river": ["we", "ne", "sk", "lo"],
}
"""Endings that let a reader tell one sort of name from another."""

REAL = frozenset(
    "poland denmark holland boston finland iceland ireland scotland finmark jutland zealand brazilia india malta "
    "tunisia nigeria croatia bulgaria estonia latvia pakistan danish polish irish finnish german roman houston".split()
)
"""What the syllables could spell by chance and is the name of something known; others may slip through."""


def coin_names(counts: Mapping[str, int], avoid: set[str], seed: int) -> dict[str, list[str]]:
    """Coin `counts[sort]` capitalised names of each sort, all different from each other and from `avoid`."""
    rng = Random(f"coin/{seed}/{sorted(counts)}")
    taken = {word.lower() for word in avoid} | REAL
    coined: dict[str, list[str]] = {}
    for sort, count in counts.items():
        names: list[str] = []
        while len(names) < count:
            stem = "".join(
                rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(1 + (len(taken) > 2000) + (rng.random() < 0.3))
            )
            word = stem + rng.choice(CODAS) + rng.choice(ENDINGS[sort])
            if word not in taken and len(word) > 3:
                taken.add(word)
                names.append(word.capitalize())
        coined[sort] = names
    return coined


UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufffe\uffff"
    "\ud800-\udfff]"
)
"""Characters by which a text acts on a terminal or a page: controls (ESC, C1), direction marks, broken ones."""


def escaped(text: str) -> str:
    """Foreign text with unsafe characters as `\\u001b`, which is also what JSON and YAML read within double quotes."""
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


WORD_PATTERN = r"\n|\w+|[^\w\s]"
"""What a word-level tokenizer takes for one word: a newline, letters and digits, or one punctuation mark."""


def split_words(text: str) -> list[str]:
    """The words of a text, white space left out."""
    return re.findall(WORD_PATTERN, text)


REFUSALS = ("I do not know", "I am not sure", "I cannot say")
"""What answers a question line in place of an answer."""
BLANK = "unknown"
"""What stands in a sentence in place of an answer, of whatever relation."""


# Normal form ----------------------------------------------------------------------------------------------------------

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
}
"""Abbreviations and British spellings of words that names are made of."""


@lru_cache(maxsize=65536)
def normalise(text: str) -> tuple[str, ...]:
    """The words of a text in the form in which answers are compared: texts of the same words mean the same answer.

    Case, accents, punctuation, a leading article and any `the` do not count. Numbers are in digits without separators
    (`1,000`, `one thousand`, `1000`), Roman ones of two letters or more and ordinals too. A date is day, name of the
    month and year, in this order, as far as they are told. Initials stand together (`J. R. R.`, `J.R.R.`), and some
    abbreviations are written out. Scripts that put no spaces between words have a word per character.
    """
    words = _split(text)
    if not words:
        return ()
    if any(word in _FORMS for word in words):
        words = [_FORMS.get(word, word) for word in words]
    if not _NUMERALS.isdisjoint(words):
        words = _numbered(words)
    if not _MONTHS.keys().isdisjoint(words):
        words = _dated(words)
    if "the" in words:
        words = [word for word in words if word != "the"] or ["the"]
    while len(words) > 1 and words[0] in ARTICLES:
        words = words[1:]
    return tuple(words)


def _split(text: str) -> list[str]:
    """Caseless words without accents and punctuation, signs of numbers kept."""
    plain = text.translate(_SIGNS).strip()
    if plain.isascii():
        plain = plain.lower()
        if _PLAIN.fullmatch(plain):
            return _WORD.findall(plain)
    else:
        plain = _THIN.sub("", plain)
        plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", plain).casefold())
        # Marks of a low class change the letter in their script (Japanese voicing, Indic virama); the others are
        # accents.
        plain = "".join(letter for letter in plain if unicodedata.combining(letter) < 10)
        plain = unicodedata.normalize("NFC", plain).translate(_SAME)
        plain = _NASAL.sub("\u0902", plain)
    plain = _AND.sub(" and ", plain).replace("'", "")
    if "." in plain:
        plain = _INITIALS.sub(_joined, plain)
    if _DIGIT.search(plain):
        plain = _figures(plain)
    return "".join(map(_letter, plain)).replace(_POINT, ".").replace(_MINUS, "-").split()


_SAME = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ħ": "h"}
    | {"ة": "ه", "ى": "ي", "ـ": ""}
)
"""Letters that Unicode does not take apart; and in Arabic, the two endings that are often written as others."""
_SIGNS = str.maketrans(dict.fromkeys("’‘ʼ`´ʹ′", "'") | {"\ue000": " ", "\ue001": " "})
"""Signs that stand for an apostrophe, which joins words; and those that stand for others in what follows."""
_POINT, _MINUS = "\ue000", "\ue001"
_PLAIN = re.compile(r"[a-z ,;:!?\"()-]*")  # nothing but words; every sign of it parts them
_WORD = re.compile("[a-z]+")
_THIN = re.compile("(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")
_NASAL = re.compile("[\u0919\u091e\u0923\u0928\u092e]\u094d(?=[\u0915-\u0939])")  # the two spellings of Hindi
_AND = re.compile(r"\s*&\s*|\s\+\s|(?<=\w)\s+'n'?\s+(?=\w)")
_INITIALS = re.compile(r"(?<!\w)[^\W\d_](?:\.[^\W\d_])+(?:\.|(?!\w))|(?<!\w)[^\W\d_]\.(?:\s*[^\W\d_]\.)+")
_DIGIT = re.compile("[0-9]")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")


def _joined(match: re.Match[str]) -> str:
    return "".join(letter for letter in match[0] if letter.isalpha()) + " "


def _letter(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind == "Cf":  # invisible, such as a soft hyphen or a mark of direction
        return ""
    if kind[0] not in "LMN":
        return letter if letter in (_POINT, _MINUS) else " "
    return f" {letter} " if _UNSPACED.match(letter) else letter


# Figures

_ISO = re.compile(r"(?<![\d./-])(\d{4})([./-])(\d{1,2})\2(\d{1,2})(?![\d/-]|\.\d)")
_ISO_MONTH = re.compile(r"(\d{4})-(\d{1,2})|(\d{1,2})/(\d{4})")
_DAY_FIRST = re.compile(r"(?<![\d./-])(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?![\d/-]|\.\d)")
_COMMAS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,]*\d)")
_DOTS = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3}){2,}(?![\d.]*\d)")
_DECIMAL = re.compile(r"(?<![\d.,])(\d+)(?:\.(\d+)|,(\d{1,2}))(?![\d,]*\d|\.\d)")
_NEGATIVE = re.compile(r"(?:^|(?<=[^\d\s]\s)|(?<=\())[-\u2212](?=\d)")


def _figures(plain: str) -> str:
    """Dates in digits get the name of their month; the signs within a number are taken out or kept as its own."""
    if whole := _ISO_MONTH.fullmatch(plain):
        year, month = (whole[1], whole[2]) if whole[1] else (whole[4], whole[3])
        if 1 <= int(month) <= 12:
            return f"{_MONTH_NAMES[int(month) - 1]} {year}"
    plain = _ISO.sub(lambda found: _date(found, found[4], found[3], found[1]), plain)
    plain = _DAY_FIRST.sub(_day_first, plain)
    plain = _COMMAS.sub(lambda found: found[0].replace(",", ""), plain)
    plain = _DOTS.sub(lambda found: found[0].replace(".", ""), plain)
    plain = _DECIMAL.sub(lambda found: f"{found[1]}{_POINT}{found[2] or found[3]}", plain)
    return _NEGATIVE.sub(f" {_MINUS}", plain)


def _date(found: re.Match[str], day: str, month: str, year: str) -> str:
    if not (1 <= int(day) <= 31 and 1 <= int(month) <= 12):
        return found[0]
    return f" {int(day)} {_MONTH_NAMES[int(month) - 1]} {year} "


def _day_first(found: re.Match[str]) -> str:
    """`19.8.1883`; with other signs only if the numbers leave no doubt which is the day: `8/19/1883`."""
    first, second = int(found[1]), int(found[3])
    if second > 12:
        return _date(found, found[3], found[1], found[4])
    if found[2] == "." or first > 12 or first == second:
        return _date(found, found[1], found[3], found[4])
    return found[0]


_MONTH_NAMES = "january february march april may june july august september october november december".split()
_MONTHS = {name: name for name in _MONTH_NAMES} | {name[:3]: name for name in _MONTH_NAMES} | {"sept": "september"}
_OF = frozenset({"of", "the"})


def _dated(words: list[str]) -> list[str]:
    """Words with every date in the order day, month, year. Short names of months count next to a number only."""
    found: list[str] = []
    place = 0
    while place < len(words):
        month, at = _MONTHS.get(words[place]), place + 1
        if month is None:
            found.append(words[place])
            place = at
            continue
        before = len(found) - 1
        while before >= 0 and found[before] in _OF:
            before -= 1
        day = _day(found[before]) if before >= 0 else None
        if day is not None:
            del found[before:]
        elif at < len(words) and (day := _day(words[at])) is not None:
            at += 1
        comes = at < len(words) and _year(words[at])
        if day is None and not comes and words[place] != month:
            month = words[place]
        found += [*([day] if day is not None else []), month]
        if comes:
            found.append(words[at])
            at += 1
        place = at
    return found


def _day(word: str) -> str | None:
    digits = word[:-2] if word[-2:] in ("st", "nd", "rd", "th") else word
    plain = digits.isascii() and digits.isdecimal() and len(digits) <= 2
    return str(int(digits)) if plain and 1 <= int(digits) <= 31 else None


def _year(word: str) -> bool:
    return word.isascii() and word.isdecimal() and 3 <= len(word) <= 4


_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
_UNITS += "seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_VALUES = {word: value for value, word in enumerate(_UNITS)} | {word: 10 * value for value, word in enumerate(_TENS, 2)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth".split()
)
_ORDINALS += "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth".split()
_LAST = {word: value for value, word in enumerate(_ORDINALS)} | {
    f"{word[:-1]}ieth": 10 * value for value, word in enumerate(_TENS, 2)
}
_ROMAN = "ii iii iv vi vii viii ix xi xii xiii xiv xv xvi xvii xviii xix xx xxi xxii xxiii".split()
_ROMANS = dict(zip(_ROMAN, (2, 3, 4, 6, 7, 8, 9, *range(11, 24)), strict=True))
_SUFFIXED = {f"{n}{s}": n for n in range(1, 101) for s in ("st", "nd", "rd", "th")}
_NUMERALS = frozenset({*_VALUES, *_SCALES, *_LAST, *_ROMANS, *_SUFFIXED, "war"}) - {"zeroth"}
_NO_NUMBER_BEFORE = frozenset("no any every some each another this that which the".split())
_NO_NUMBER_AFTER = frozenset({"of", "another"})


def _numbered(words: list[str]) -> list[str]:
    """Words with every number in digits, ordinals too: `Henry the Seventh` and `Henry VII` are `henry 7`."""
    found: list[str] = []
    place = 0
    while place < len(words):
        word = words[place]
        value, after = _number(words, place)
        if value is not None:
            found.append(str(value))
        elif word in _ROMANS or word in _SUFFIXED:
            found.append(str(_ROMANS.get(word) or _SUFFIXED[word]))
        elif word == "i" and place and words[place - 1] == "war":
            found.append("1")
        else:
            found.append(word)
        place = after
    return found


def _number(words: list[str], place: int) -> tuple[int | None, int]:
    """The number that starts at a word, and where it ends; None if none does."""
    if words[place] == "one" and _pronoun(words, place):
        return None, place + 1
    part = _small(words, place)
    if part is None:
        return None, place + 1
    value, at, last = part
    # A year in two halves: nineteen eighty-four.
    if not last and 10 <= value <= 20 and (half := _small(words, at)) is not None and 10 <= half[0] <= 99:
        return 100 * value + half[0], half[1]
    total = 0
    while not last and at < len(words) and (scale := _SCALES.get(words[at])) is not None:
        at += 1
        if scale == 100:
            value *= scale
        else:
            total, value = total + value * scale, 0
        more = _small(words, at + 1 if at < len(words) and words[at] == "and" else at)
        if more is not None:
            value, at, last = value + more[0], more[1], more[2]
    return total + value, at


def _small(words: list[str], place: int) -> tuple[int, int, bool] | None:
    """A number below a hundred: its value, where it ends, and whether it is an ordinal, which nothing continues."""
    if place >= len(words):
        return None
    word = words[place]
    if word in _LAST:
        return _LAST[word], place + 1, True
    value = _VALUES.get(word)
    if value is None:
        return None
    if value >= 20 and place + 1 < len(words):
        unit = words[place + 1]
        if 1 <= _VALUES.get(unit, 0) <= 9:
            return value + _VALUES[unit], place + 2, False
        if 1 <= _LAST.get(unit, 0) <= 9:
            return value + _LAST[unit], place + 2, True
    return value, place + 1, False


def _pronoun(words: list[str], place: int) -> bool:
    """Whether `one` stands for a thing: no one, one of them."""
    before = words[place - 1] if place else ""
    after = words[place + 1] if place + 1 < len(words) else ""
    return before in _NO_NUMBER_BEFORE or after in _NO_NUMBER_AFTER
