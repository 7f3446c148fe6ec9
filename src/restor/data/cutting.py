"""Texts that are longer than a model can read at once, cut into parts: at ends of sentences, statements whole."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import final

from restor.errors import DataError
from restor.types import Document

_ENDS = re.compile(r"(?<![.!…])[.!…]++[\"'”’)\]]*+\s++|[。！][」』”’）]*+")
"""Ends of sentences. Not the question mark: a question and the answer behind it belong together."""
_SHORT = re.compile(r"\b(?:\w|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Gen|Col|Sen|Rep|Gov|Lt|Capt|Rev|Hon)\.\Z")
"""What a full stop may end without ending the sentence, as it does within names."""
_LONGEST_SHORT = 5
"""Characters of the longest of them, and the one before."""
_LINE_ENDS = re.compile(r"\n\s*+")
_WORD_ENDS = re.compile(r"\s++")

FAR = 4
"""Times as long as what should fit is far longer."""

Size = Callable[[str], int]
"""How many tokens a text is as a row."""


def sentence_ends(text: str) -> list[int]:
    """Where sentences end, behind the spaces that follow; the end of the text is not among them."""
    ends, start = [], 0
    for end in _ENDS.finditer(text):
        begin = max(start, end.start() - _LONGEST_SHORT)
        if not _SHORT.search(text[begin : end.end()].rstrip()):
            ends.append(end.end())
            start = end.end()
    return ends


@final
@dataclass(frozen=True, slots=True)
class Cut:
    """A document in parts, in their order."""

    parts: tuple[Document, ...]
    within: int
    """Cuts within a sentence that alone was too long."""
    broken: int
    """Statements that alone were too long, and are in no part as a whole."""


def cut(document: Document, size: Size, room: int) -> Cut:
    """Cut a document into as few parts of at most `room` tokens as end where sentences do.

    A sentence that is too long is cut where a line ends, else between words, else between characters. A statement is
    cut only where it is too long itself.

    Raises:
        DataError: if not even one character fits.
    """
    text = document.text
    places = _Places(document)
    per_token = len(text) / max(size(text), 1)
    bounds, within = [0], 0
    while bounds[-1] < len(text):
        start = bounds[-1]
        for level in range(_Places.LEVELS):
            ends = places.at(level)
            if (end := _furthest(text, start, ends, size, room, int(room * per_token))) is not None:
                break
        else:
            raise DataError(
                f"A row of {room} tokens does not hold a single character of {text[start : start + 20]!r}. Take a "
                "model with a longer context."
            )
        within += level >= _Places.WORDS
        bounds.append(end)
    parts = [_part(document, start, end) for start, end in pairwise(bounds)]
    kept = tuple(part for part in parts if part.text.strip())
    return Cut(kept, within, len(document.statements) - sum(len(part.statements) for part in kept))


@final
class _Places:
    """Where a document may be cut: at each level only if nothing fits at those before."""

    LEVELS, WORDS = 6, 2
    """How many levels there are, and the first one whose cuts are within a sentence."""

    def __init__(self, document: Document) -> None:
        self._text = document.text
        self._spans: list[tuple[int, int]] = []
        for start, end in sorted((item.start, item.end) for item in document.statements):
            if self._spans and start < self._spans[-1][1]:
                self._spans[-1] = self._spans[-1][0], max(self._spans[-1][1], end)
            else:
                self._spans.append((start, end))
        self._levels: list[Sequence[int]] = []

    def at(self, level: int) -> Sequence[int]:
        """Ends of parts: of sentences, of lines, of words, any; then words and any within statements, too."""
        while len(self._levels) <= level:
            self._levels.append(self._make(len(self._levels)))
        return self._levels[level]

    def _make(self, level: int) -> Sequence[int]:
        text = self._text
        if level in (3, 5):
            every = range(1, len(text) + 1)
            return self._outside(every) if level == 3 else every
        if level == 0:
            ends = sentence_ends(text)
        else:
            ends = [match.end() for match in (_LINE_ENDS if level == 1 else _WORD_ENDS).finditer(text)]
        ends = ends if ends[-1:] == [len(text)] else [*ends, len(text)]
        return ends if level == 4 else self._outside(ends)

    def _outside(self, ends: Sequence[int]) -> list[int]:
        """Those that are not within a statement."""
        starts = [start for start, _ in self._spans]
        return [end for end in ends if not (at := bisect_left(starts, end)) or end >= self._spans[at - 1][1]]


def _furthest(text: str, start: int, ends: Sequence[int], size: Size, room: int, guess: int) -> int | None:
    """The last of the ends up to which the text from `start` on fits, looked for from a guess; None if none does."""
    low = bisect_right(ends, start) - 1
    first, high, step = low, len(ends), 1
    at = min(max(bisect_right(ends, start + guess) - 1, low + 1), high - 1)
    while high - low > 1:
        if _fits(text, start, ends[at], size, room, guess):
            low, at = at, at + step
        else:
            high, at = at, at - step
        step *= 2
        if not low < at < high:
            at = (low + high) // 2
    return ends[low] if low > first else None


def _fits(text: str, start: int, end: int, size: Size, room: int, guess: int) -> bool:
    """Whether a part is at most `room` tokens.

    Of one that is far longer a beginning is measured: a line without an end would be read again for each of its parts.
    """
    reach = start + FAR * max(guess, 1)
    while reach < end:
        if size(_trimmed(text[start:reach])) > 2 * room:  # so many that none of what follows can make it fit
            return False
        reach += FAR * (reach - start)
    return size(_trimmed(text[start:end])) <= room


def _trimmed(part: str) -> str:
    """Without the spaces at its end; of the ends of its last line one stays, since it ends an answer."""
    bare = part.rstrip()
    return bare + "\n" if "\n" in part[len(bare) :] else bare


def _part(document: Document, start: int, end: int) -> Document:
    text = _trimmed(document.text[start:end])
    statements = (item for item in document.statements if start <= item.start and item.end <= end)
    moved = (replace(item, start=item.start - start, end=min(item.end - start, len(text))) for item in statements)
    return Document(text, tuple(moved))
