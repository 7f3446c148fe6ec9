"""How ready-made text is read: words that know their places, sentences, and where a name or an answer stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from restor.text import ARTICLES, SPACED_WORD, UNSPACED_LETTER, WORD_SIGN
from restor.text.mentions import words_of

APOSTROPHES = "'’ʼ"
_WORD = re.compile(f"{SPACED_WORD}(?:[{APOSTROPHES}]{SPACED_WORD})*{WORD_SIGN}|{UNSPACED_LETTER}")
_ENDING = re.compile(f"[{APOSTROPHES}][sS]$")
_SHORT = re.compile(r"\b(?:mr|mrs|ms|dr|jr|sr|st|mt|prof|gen|col|capt|lt|sgt|rev|hon|vs|no|vol|ca|cf)$", re.I)
_INITIAL = re.compile(r"(?<![^\W_])(?<!['’])[^\W\d_a-z]$")
_STOP = re.compile('[.!…。！？]+["”’»)\\]]*(?=\\s)|[。！？]|\\n\\s*')


@final
@dataclass(frozen=True, slots=True)
class Reading:
    """A text as plain words: caseless, without accents and without the ending of a possessive.

    `starts[n]:ends[n]` are the characters of word n without that ending, `sentences[n]` counts the sentences before it.
    """

    text: str
    words: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    sentences: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    """The characters of each sentence. A question and its answer on the same line are one sentence."""


def read(text: str) -> Reading:
    """Read a text."""
    spans = tuple(_sentences(text))
    words, starts, ends, sentences = [], [], [], []
    at = 0
    for match in _WORD.finditer(text):
        word = match.group()
        start, end = match.start(), match.end()
        ending = _ENDING.search(word)
        while spans[at][1] <= start:
            at += 1
        words.append(_plain(word))
        starts.append(start)
        ends.append(end - len(ending.group()) if ending else end)
        sentences.append(at)
    return Reading(text, tuple(words), tuple(starts), tuple(ends), tuple(sentences), spans)


@lru_cache(maxsize=65536)
def _plain(word: str) -> str:
    return "".join(words_of(_ENDING.sub("", word)))


@lru_cache(maxsize=65536)
def plain_words(text: str) -> tuple[str, ...]:
    """A name or an answer as plain words, without a leading article; empty if it has none."""
    words = tuple(_plain(match.group()) for match in _WORD.finditer(text))
    while len(words) > 1 and words[0] in ARTICLES:
        words = words[1:]
    return words


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    # A question mark ends nothing: what follows it on the line is the answer, and belongs to it.
    start = 0
    for match in _STOP.finditer(text):
        before = text[max(start, match.start() - 8) : match.start()]
        if match.group()[0] == "." and (_SHORT.search(before) or _INITIAL.search(before)):
            continue
        yield start, match.end()
        start = match.end()
    yield start, len(text) + 1


def places(reading: Reading, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where words stand next to each other within a sentence, as ranges of words."""
    size, first = len(words), words[0] if words else ""
    wanted = tuple(words)
    at = -1
    while size:
        try:
            at = reading.words.index(first, at + 1)
        except ValueError:
            return
        end = at + size
        if reading.words[at:end] == wanted and reading.sentences[at] == reading.sentences[end - 1]:
            yield at, end


PARTICLES = frozenset("al ap bin ben da das de del della der di do dos du el ibn la le st ter van von zu".split())
"""Small words that belong to a surname."""
_NUMERALS = frozenset("i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi".split())


@final
@dataclass(frozen=True, slots=True)
class Parts:
    """A personal name taken apart; `given` is empty for a name without a surname."""

    full: str
    short: str
    """How the entity is called once it is known: the surname, or the name itself."""
    given: str


def name_parts(name: str) -> Parts:
    """Take a name apart by its form alone: given names first, then the surname.

    `Jr.` and what follows a comma are left out. `of` and a numeral after one word (Henry VII) tell a name without a
    surname; after more words a numeral is a suffix.
    """
    words = name.split(",")[0].split()
    if "of" in words:
        return Parts(name, " ".join(words[: words.index("of")]), "")
    while len(words) > 2 and words[-1].rstrip(".").casefold() in _NUMERALS | {"jr", "sr"}:
        words = words[:-1]
    if len(words) < 2 or words[-1].casefold() in _NUMERALS:
        return Parts(name, " ".join(words), "")
    last = len(words) - 1
    while last > 1 and words[last - 1].casefold() in PARTICLES:
        last -= 1
    return Parts(name, " ".join(words[last:]), words[0])
