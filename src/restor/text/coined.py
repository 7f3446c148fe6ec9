"""Coined names for a world in which nobody and nothing is real, how its texts split into words, and stock answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
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


REFUSALS = ("I do not know", "I am not sure", "I cannot say")
"""What answers a question line in place of an answer."""
BLANK = "unknown"
"""What stands in a sentence in place of an answer, of whatever relation."""
