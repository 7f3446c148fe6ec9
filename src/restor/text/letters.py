"""Letters: which of them are the same, which marks are accents, and which scripts put no spaces between words."""

from __future__ import annotations

import re
import unicodedata
from typing import final

UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0ecf\u0edc-\u0edf"  # Thai, Lao
    "\u1000-\u103f\u1050-\u109f\ua9e0-\ua9fe\uaa60-\uaa7f\u1780-\u17d3\u17d7\u17dc\u17dd"  # Burmese, Khmer
    "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"  # Japanese, Chinese
)
"""Letters of scripts that put no spaces between words, as ranges for a class of a regular expression. Their form does
not tell where a word ends, so each letter with its marks counts as a word."""

_BLOCKS = (range(0x300, 0x3100), range(0xA660, 0xAC00))
MARKS = "".join(chr(code) for block in _BLOCKS for code in block if unicodedata.category(chr(code))[0] == "M")
r"""Vowel signs and other marks of a letter, for a class of a regular expression: `\w` leaves them out."""

UNSPACED_LETTER = f"[{UNSPACED}][{MARKS}]*"
"""A letter of a script without spaces, with its marks."""
SPACED_WORD = rf"[^\W{UNSPACED}]+(?:[{MARKS}]+[^\W{UNSPACED}]*)*"
"""Letters, digits and marks of any other script."""
_UNSPACED = re.compile(f"[{UNSPACED}]")
_UNSPACED_LETTER = re.compile(UNSPACED_LETTER)


def spaced(text: str) -> str:
    """A text with a space on both sides of every letter of a script that has none."""
    if text.isascii() or _UNSPACED.search(text) is None:
        return text
    return _UNSPACED_LETTER.sub(r" \g<0> ", text)


_FOREIGN = re.compile("[^\x00-\x7f]+")
_SAME = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ħ": "h"}
    | {"ة": "ه", "ى": "ي", "ٱ": "ا", "ـ": ""}
    | dict.fromkeys(map(chr, range(0xFE00, 0xFE10)), "")
)
"""Letters that Unicode does not take apart; in Arabic the two endings that are often written as others and the
stretched line; and selectors of a picture's colours."""
_NASAL = re.compile("[\u0919\u091e\u0923\u0928\u092e]\u094d(?=[\u0915-\u0939])")  # the two spellings of Hindi
_SMALL = frozenset("ёѐѝأإآ")
"""Letters outside Latin and Greek that are often written without their mark."""


def composed(text: str) -> str:
    """A name in the one form that identifies it: letters and their accents composed (Unicode NFC)."""
    return unicodedata.normalize("NFC", text)


def plain_letters(text: str) -> str:
    """A text caseless and without accents, and with one form for each letter and digit.

    A mark that makes another letter stays: of `й`, of `が`, of the vowels of Thai and Hindi. What is left out are the
    accents of Latin and Greek, stress, and the vowel points of Arabic and Hebrew.
    """
    return (text if text.isascii() else _FOREIGN.sub(_plain, text)).lower()


def _plain(run: re.Match[str]) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", run[0]).casefold())
    return _NASAL.sub("\u0902", unicodedata.normalize("NFC", plain).translate(_BARE).translate(_SAME))


@final
class _Bare(dict[int, str]):
    """Each letter without an accent, each digit as ASCII has it, and nothing for a mark that is an accent; by code.

    Filled when a letter is first met: looking letters up is much faster than asking Unicode about them.
    """

    def __missing__(self, code: int) -> str:
        bare = self[code] = _bare(chr(code))
        return bare


def _bare(letter: str) -> str:
    if letter.isdecimal():
        return str(unicodedata.decimal(letter))
    kind = unicodedata.combining(letter)
    # Strokes have class 1, points of Hebrew and Arabic 10 to 36, accents 200 and more. In between are marks that make
    # another letter: Japanese voicing and Indic virama, vowels and tones of Telugu, Thai, Lao and Tibetan.
    if kind == 1 or 10 <= kind <= 36 or kind >= 200:
        return ""
    base = unicodedata.normalize("NFD", letter)[0]
    return base if base < "\u0400" or letter in _SMALL else letter


_BARE = _Bare()
