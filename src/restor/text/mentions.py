"""Which names and values stand in a text as whole words, caselessly and without accents."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import final

from restor.text import SPACED_WORD, UNSPACED_LETTER, WORD_SIGN, before_letters, plain_letters

_WORD = re.compile(f"{SPACED_WORD}{WORD_SIGN}|{UNSPACED_LETTER}")
_ALIKE = str.maketrans("−–♯", "--#")
_ASCII_WORD = re.compile(rf"\w+{WORD_SIGN}", re.ASCII)


def words_of(text: str) -> list[str]:
    """The words of a text, caseless and without accents and punctuation; `C++` is not `C`.

    Faster than `restor.text.read_words`, which reads numbers and dates too. An apostrophe ends a word, so that the
    name in `Ada's` is found. Scripts that put no spaces between words have a word per letter.
    """
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    return _WORD.findall(plain_letters(before_letters(text)).translate(_ALIKE))


def padded(words: Iterable[str]) -> str:
    """Words with a space around each: one text is in another as whole words if its padded form is."""
    return f" {' '.join(words)} "


@final
class Names:
    """Finds names in texts. Of names that begin at the same word the longest counts."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_first: dict[str, list[tuple[list[str], str]]] = {}
        for name in names:
            if words := words_of(name):
                self._by_first.setdefault(words[0], []).append((words, name))
        for known in self._by_first.values():
            known.sort(key=lambda item: -len(item[0]))
        self._first = frozenset(self._by_first)

    def find(self, words: Sequence[str]) -> list[str]:
        """Every mention in the words of a text, in order."""
        if self._first.isdisjoint(words):
            return []
        names, place = [], 0
        while place < len(words):
            for name_words, name in self._by_first.get(words[place], ()):
                if list(words[place : place + len(name_words)]) == name_words:
                    names.append(name)
                    place += len(name_words) - 1
                    break
            place += 1
        return names


def main_name(mentions: Sequence[str]) -> str | None:
    """Whom a text is about: the name that is mentioned most, of equals the first."""
    counts = Counter(mentions)
    return max(counts, key=lambda name: counts[name]) if counts else None


def main_names(abouts: Iterable[str | None], *, least: float = 0.05) -> dict[str, int]:
    """Whom a set of texts is about, the commonest first, with the number of texts.

    A name counts from `least` of the number of texts about the commonest one: below, it is company.
    """
    counts = Counter(name for name in abouts if name is not None)
    most = max(counts.values(), default=0)
    return {name: times for name, times in counts.most_common() if times >= least * most}
