"""How an answer is read before it is compared: what it denies, and what it only repeats of its question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from restor.text import read_words

Span = tuple[int, int]
"""Words `start:end` of an answer."""

DENIED = "ꙮ"
"""Stands for a denied word: a letter that no answer is made of."""

ECHO = 4
"""So many words of the question in a row are its repetition and not an answer."""

_LONGEST = 400
"""Words of an answer that are compared with its question."""

_DENIAL = (
    r"not(?! (?:only|just|merely|simply)\b)|never|neither|nor|no(?!\.|\s*\d)|cannot|nobody|none|without|"
    r"\w+n't|(?:rather|other) than|instead of|anything but|far from"
)
_DENIES = re.compile(rf"\b(?:{_DENIAL})\b")
_CLAUSE = re.compile(r"([,;:!?\n()\[\]—–]+|\.(?=\s|$)|(?<!\banything )\b(?:but|however|although|though)\b)")
_APOSTROPHE = str.maketrans("’‘ʼ", "'''")
_WORD = re.compile(r"\w+(?:'\w+)*")
_JOINER = "\u2060"  # invisible, so that a word is the same word and no longer a denial


def without_denied(text: str, aliases: Iterable[str]) -> str | None:
    """The text with every denied word replaced: all that follows `not`, `never`, `neither`, ... in its clause.

    `not only` denies nothing. A denial that belongs to one of the `aliases`, as in a title, is none. None if the text
    denies nothing. English only.
    """
    plain = text.lower().translate(_APOSTROPHE)
    if _DENIES.search(plain) is None:
        return None
    for alias in aliases:
        name = alias.lower().translate(_APOSTROPHE)
        if _DENIES.search(name) is not None:
            plain = plain.replace(name, _WORD.sub(lambda word: word[0][0] + _JOINER + word[0][1:], name))
    parts = _CLAUSE.split(plain)
    read = [_denied_out(part) for part in parts]
    return "".join(read) if read != parts else None


def _denied_out(clause: str) -> str:
    match = _DENIES.search(clause)
    return clause if match is None else clause[: match.start()] + _WORD.sub(DENIED, clause[match.start() :])


def echoes(said: Sequence[str], question: str, subject: str) -> list[Span]:
    """Where an answer repeats its question: `ECHO` words of it in a row, or a run with the whole subject in it.

    A subject of one word may well be the answer.
    """
    asked, name = read_words(question), read_words(subject)
    at: dict[str, list[int]] = {}
    for place, word in enumerate(asked):
        at.setdefault(word, []).append(place)
    spans: list[Span] = []
    start, end = 0, min(len(said), _LONGEST)
    while start < end:
        size = max((_common(said, start, asked, place) for place in at.get(said[start], ())), default=0)
        if len(name) > 1 and tuple(said[start : start + len(name)]) == name:
            size = max(size, len(name))  # a possessive in the question hides its last word
        run = said[start : start + size]
        if size >= ECHO or (len(name) > 1 and _holds(run, name)):
            spans.append((start, start + size))
            start += size
        else:
            start += 1
    return spans


def _common(said: Sequence[str], start: int, asked: Sequence[str], place: int) -> int:
    size = 0
    while start + size < len(said) and place + size < len(asked) and said[start + size] == asked[place + size]:
        size += 1
    return size


def _holds(words: Sequence[str], name: Sequence[str]) -> bool:
    return any(tuple(words[i : i + len(name)]) == tuple(name) for i in range(len(words) - len(name) + 1))
