"""Numbers: in digits, without separators, with their own signs."""

from __future__ import annotations

import re

from restor.text.signs import MINUS, POINT

Words = tuple[str, ...]

# In digits ------------------------------------------------------------------------------------------------------------

_BARE_POINT = re.compile(r"(?<![\w.,)])\.(?=\d)")
_COMMAS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,]*\d)")
_DOTS = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3}){2,}(?![\d.]*\d)")
_DECIMAL = re.compile(r"(?<![\d.,])(\d+)(?:\.(\d+)|,(\d{1,2}))(?![\d,]*\d|\.\d)")
_TIMES = re.compile(r"(?<=\d)(\s*)x\1(?=\d)")
_NEGATIVE = re.compile(r"(?:^|(?<=[^\d\s]\s)|(?<=[^\w\s)\]}.,/%°–\-\ue000-\ue00f]))[-−–](?=\d)")


def without_separators(plain: str) -> str:
    """A text in which the signs within a number are taken out or kept as its own; `1.0` is `1`."""
    plain = _TIMES.sub("x", _BARE_POINT.sub("0.", plain))
    plain = _COMMAS.sub(lambda found: found[0].replace(",", ""), plain)
    plain = _DOTS.sub(lambda found: found[0].replace(".", ""), plain)
    return _NEGATIVE.sub(f" {MINUS}", _DECIMAL.sub(_decimal, plain))


def _decimal(match: re.Match[str]) -> str:
    fraction = match[2] or match[3]
    # Three zeros may be thousands, as Germans write them.
    return match[1] if not fraction.strip("0") and len(fraction) != 3 else f"{match[1]}{POINT}{fraction}"


# In words -------------------------------------------------------------------------------------------------------------

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
_SUFFIXED = {f"{n}{s}": n for n in range(1, 101) for s in ("st", "nd", "rd", "th")}
NUMERALS = frozenset({*_VALUES, *_SCALES, *_LAST, *_SUFFIXED, "minus", "negative"}) - {"zeroth"}
_NO_NUMBER_BEFORE = frozenset("no any every some each another this that which the".split())
_NO_NUMBER_AFTER = frozenset({"of", "another"})


def numbered(words: list[str]) -> list[str]:
    """Words with every number in digits, ordinals too: `Henry the Seventh` is `henry the 7`."""
    words_out: list[str] = []
    place = 0
    while place < len(words):
        word = words[place]
        value, after = _number(words, place)
        if value is None and word in _SUFFIXED:
            value = _SUFFIXED[word]
        number = word if value is None else str(value)
        if (
            number.isdecimal()
            and words_out[-1:] in (["minus"], ["negative"])
            and not "".join(words_out[-2:-1]).isdecimal()
        ):
            words_out[-1] = f"-{number}"
        else:
            words_out.append(number)
        place = after
    return words_out


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


# In Roman numerals ----------------------------------------------------------------------------------------------------

_ROMANS = {
    f"{'x' * tens}{unit}": 10 * tens + value
    for tens in range(4)
    for value, unit in enumerate(("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"))
    if tens or value
}
_AS_ROMAN = {str(value): numeral for numeral, value in _ROMANS.items()}


def without_romans(words: Words) -> Words:
    """Words with Roman numerals in digits, where other words show that they are numerals: alone, `XX` is no 20.

    Those of one letter are numerals at the end and before `of`: `Charles V of Spain`.
    """
    if len(words) < 2 or _ROMANS.keys().isdisjoint(words):
        return words
    return tuple(str(_ROMANS[word]) if _is_roman(words, place) else word for place, word in enumerate(words))


def with_romans(words: Words) -> Words:
    """Words with numbers up to 39 in Roman numerals, but for a number alone or at the beginning."""
    if len(words) < 2:
        return words
    changed = tuple(_AS_ROMAN.get(word, word) if place else word for place, word in enumerate(words))
    return changed if without_romans(changed) == without_romans(words) else words


def other_spellings(words: Words) -> tuple[Words, ...]:
    """The same words with other numerals: `louis 14` for `louis xiv`, and the other way round."""
    return tuple(form for form in dict.fromkeys((without_romans(words), with_romans(words))) if form != words)


def _is_roman(words: Words, place: int) -> bool:
    word = words[place]
    if word not in _ROMANS or len(word) > 1:
        return word in _ROMANS
    behind = words[place + 1 : place + 2]
    return place > 0 and (behind in ((), ("of",)) or words[place - 1] == "war")
