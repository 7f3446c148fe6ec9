"""Dates: every one of them becomes day, name of the month and year, in this order, as far as they are told."""

from __future__ import annotations

import re

_ISO = re.compile(r"(?<![\d./-])(\d{4})([./-])(\d{1,2})\2(\d{1,2})(?![\d/-]|\.\d)")
_ISO_MONTH = re.compile(r"(\d{4})-(\d{1,2})|(\d{1,2})/(\d{4})")
_DAY_FIRST = re.compile(r"(?<![\d./-])(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?![\d/-]|\.\d)")


def months_named(plain: str) -> str:
    """A text in which dates in digits have the name of their month."""
    if whole := _ISO_MONTH.fullmatch(plain):
        year, month = (whole[1], whole[2]) if whole[1] else (whole[4], whole[3])
        if 1 <= int(month) <= 12:
            return f"{_MONTH_NAMES[int(month) - 1]} {year}"
    plain = _ISO.sub(lambda found: _date(found, found[4], found[3], found[1]), plain)
    return _DAY_FIRST.sub(_day_first, plain)


def _date(match: re.Match[str], day: str, month: str, year: str) -> str:
    if not (1 <= int(day) <= 31 and 1 <= int(month) <= 12):
        return match[0]
    return f" {int(day)} {_MONTH_NAMES[int(month) - 1]} {year} "


def _day_first(match: re.Match[str]) -> str:
    """`19.8.1883`; with other signs only if the numbers leave no doubt which is the day: `8/19/1883`."""
    first, second = int(match[1]), int(match[3])
    if second > 12:
        return _date(match, match[3], match[1], match[4])
    if match[2] == "." or first > 12 or first == second:
        return _date(match, match[1], match[3], match[4])
    return match[0]


_MONTH_NAMES = "january february march april may june july august september october november december".split()
MONTHS = {name: name for name in _MONTH_NAMES} | {name[:3]: name for name in _MONTH_NAMES} | {"sept": "september"}
_OF = frozenset({"of", "the"})


def dated(words: list[str]) -> list[str]:
    """Words with every date in the order day, month, year. Short names of months count next to a number only."""
    words_out: list[str] = []
    place = 0
    while place < len(words):
        month, at = MONTHS.get(words[place]), place + 1
        if month is None:
            words_out.append(words[place])
            place = at
            continue
        before = len(words_out) - 1
        while before >= 0 and words_out[before] in _OF:
            before -= 1
        day = _day(words_out[before]) if before >= 0 else None
        if day is not None:
            del words_out[before:]
        elif at < len(words) and (day := _day(words[at])) is not None:
            at += 1
        comes = at < len(words) and _year(words[at])
        if day is None and not comes and words[place] != month:
            month = words[place]
        words_out += [*([day] if day is not None else []), month]
        if comes:
            words_out.append(words[at])
            at += 1
        place = at
    return words_out


def _day(word: str) -> str | None:
    digits = word[:-2] if word[-2:] in ("st", "nd", "rd", "th") else word
    plain = digits.isascii() and digits.isdecimal() and len(digits) <= 2
    return str(int(digits)) if plain and 1 <= int(digits) <= 31 else None


def _year(word: str) -> bool:
    return word.isascii() and word.isdecimal() and 3 <= len(word) <= 4
