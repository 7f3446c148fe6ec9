"""Words: coined names, which texts are the same words, and where a name stands in a text."""

from __future__ import annotations

from restor.text.coined import BLANK, REFUSALS, WORD_PATTERN, coin_names, split_words
from restor.text.letters import SPACED_WORD, UNSPACED_LETTER, composed, plain_letters
from restor.text.names import name_pattern, stands_in
from restor.text.normal import ARTICLES, normalise, read_words
from restor.text.numbers import Words, other_spellings, without_romans
from restor.text.signs import UNITS, WORD_SIGN, before_letters
from restor.text.unsafe import UNSAFE, escaped

__all__ = [
    "ARTICLES",
    "BLANK",
    "REFUSALS",
    "SPACED_WORD",
    "UNITS",
    "UNSAFE",
    "UNSPACED_LETTER",
    "WORD_PATTERN",
    "WORD_SIGN",
    "Words",
    "before_letters",
    "coin_names",
    "composed",
    "escaped",
    "name_pattern",
    "normalise",
    "other_spellings",
    "plain_letters",
    "read_words",
    "split_words",
    "stands_in",
    "without_romans",
]
