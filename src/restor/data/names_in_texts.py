"""Texts without the sentences that name somebody, and beginnings of texts about others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from random import Random

from restor.data.cutting import sentence_ends
from restor.errors import DataError
from restor.text import name_pattern
from restor.text.mentions import Names, words_of

_TOLD = re.compile(r"\d|\s\W*[^\W\d_a-z]")
"""A figure, or a letter that is not a small one at the beginning of a word other than the first."""


def without_names(text: str, names: Names | Iterable[str]) -> str:
    """A text without the sentences that name somebody; a line of which nothing is left goes too.

    Names are found as whole words, caseless and without accents. A sentence that says nothing but `she` stays.
    """
    known = names if isinstance(names, Names) else Names(names)
    if not known.find(words_of(text)):
        return text
    kept = []
    for line in text.split("\n"):
        spared = "".join(part for part in _sentences(line) if not known.find(words_of(part))).strip()
        # A name may also be parted by what looks like the end of a sentence, or come together where one went.
        if (spared or not line) and not known.find(words_of(spared)):
            kept.append(spared)
    left = "\n".join(kept)
    return "" if not left.strip() or known.find(words_of(left)) else left


def texts_without_names(texts: Iterable[str], names: Iterable[str]) -> list[str]:
    """The texts without the sentences that name somebody; those of which nothing is left go."""
    known = Names(names)
    return [left for text in texts if (left := without_names(text, known)).strip()]


def prompts_about(
    texts: Iterable[str], names: Iterable[str], others: Sequence[str], *, count: int, seed: int
) -> list[str]:
    """Beginnings of texts about others, in the words of texts about somebody: for models too large to be left alone.

    A sentence is taken up to the first of `names`, a question as a whole, and another name is put in. Sentences with a
    figure or a capital letter before the name are left out: what they state would be told about others.

    Args:
        texts: the forget documents.
        names: whom they are about.
        others: who is put in.
        count: how many.
        seed: of the choice.

    Raises:
        DataError: if no sentence names anybody, or nobody can be put in.
    """
    spelt = sorted(set(names), key=lambda name: (-len(name), name))
    pattern = re.compile(name_pattern(*spelt), re.IGNORECASE) if spelt else None
    frames: dict[tuple[str, str], None] = {}
    for part in (part for text in texts for line in text.split("\n") for part in _sentences(line)):
        if pattern is not None and (name := pattern.search(part)) is not None:
            before, asked = part[: name.start()].lstrip(), part.find("?", name.end())
            behind = "" if asked < 0 or pattern.search(part, name.end(), asked) else part[name.end() : asked + 1]
            if not _TOLD.search(before):
                frames[before, behind] = None
    free = [other for other in others if pattern is None or not pattern.search(other)]
    if not frames or not free:
        lacking = "name anybody" if not frames else "leave anybody who could be put in"
        raise DataError(f"No prompts can be made: the texts do not {lacking}. Give other names, or sample without.")
    rng = Random(f"prompts/{seed}")
    chosen = ((rng.choice(list(frames)), rng.choice(free)) for _ in range(count))
    return [f"{before}{other}{behind}" for (before, behind), other in chosen]


def _sentences(line: str) -> list[str]:
    """The sentences of a line with the spaces behind them: joined, they are the line."""
    bounds = [0, *sentence_ends(line), len(line)]
    return [line[start:end] for start, end in pairwise(bounds)]
