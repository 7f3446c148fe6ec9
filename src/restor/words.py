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


WORD_PATTERN = r"\n|\w+|[^\w\s]"
"""What a word-level tokenizer takes for one word: a newline, letters and digits, or one punctuation mark."""


def split_words(text: str) -> list[str]:
    """The words of a text, white space left out."""
    return re.findall(WORD_PATTERN, text)


ARTICLES = frozenset({"a", "an", "the"})


@lru_cache(maxsize=65536)
def normalise(text: str) -> tuple[str, ...]:
    """Caseless words without accents, punctuation and a leading article: answers of the same words are the same.

    Scripts that put no spaces between words have a word per character.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    # Marks of a low class change the letter in their script (Japanese voicing, Indic virama); the others are accents.
    plain = "".join(letter for letter in plain if unicodedata.combining(letter) < 10)
    plain = unicodedata.normalize("NFC", plain).translate(_SAME)
    words = "".join(map(_letter, plain)).split()
    while len(words) > 1 and words[0] in ARTICLES:
        words = words[1:]
    return tuple(words)


_SAME = str.maketrans("łøđı", "lodi", "'’ʼ")
"""Accented letters that Unicode does not take apart, and apostrophes, which join words."""
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")


def _letter(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind == "Cf":  # invisible, such as a soft hyphen or a mark of direction
        return ""
    if kind[0] not in "LMN":
        return " "
    return f" {letter} " if _UNSPACED.match(letter) else letter
