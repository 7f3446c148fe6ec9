"""What an answer may look like: the words of a fact's true and planted answers, and of other values."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TypeAlias, final

from restor.evaluation.judges._synonyms import apart, synonyms
from restor.text import UNITS, Words, other_spellings, read_words, without_romans
from restor.types import Judgement

Meaning: TypeAlias = tuple[Judgement, str]
"""What an answer of this form is, and the answer as the fact has it."""

_CLUB = frozenset({"fc", "afc", "cf", "sc", "ac", "fk", "bc", "sk"})
_GENERIC = frozenset({"music", "party", "university", "college", "church", "award", "language"})
_LINKS = frozenset("of in for at and from to de di du des la le el a an".split())
_FIGURE = re.compile(r"\d")
_TYPED = (
    (re.compile(r"(?<=[^\W\d_])(\d*)\^"), r"\1"),  # km2, but not 106 for 10⁶
    (re.compile("♭"), "b"),
    (re.compile(r"\+"), " plus"),
    (re.compile(r"(\.\d*[1-9])0+$"), r"\1"),  # 1.8 for 1.80, unless the relation has both: versions
    (re.compile(r"(\.\d*[1-9])$"), r"\g<1>0"),
)
"""Signs as they are typed or spelled out."""
_BRACKETS = re.compile(r"\s*\([^()]*\)")
_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Å": "Aa", "Ø": "Oe"}
)


@final
class Own:
    """The forms of one fact's answers. A form that would fit the true and the planted answer alike is none."""

    def __init__(self, answers: Iterable[str], planted: str | None, *, with_synonyms: bool) -> None:
        self.aliases: list[tuple[Judgement, str, Words]] = []
        for answer in answers:
            self.aliases.append((Judgement.ORIGINAL, answer, read_words(answer)))
        if planted is not None:
            self.aliases.append((Judgement.PLANTED, planted, read_words(planted)))
        self.exact: dict[Words, Meaning] = {}
        """As they stand, with any numerals."""
        for judgement, alias, words in self.aliases:
            if words:
                self.exact.setdefault(words, (judgement, alias))
        self.exact |= self._forms(lambda alias, words: other_spellings(words), self.exact)
        self.names = self._forms(lambda alias, words: _names(alias, words, with_synonyms), self.exact)
        """Other ways to write and to call them, which may stand in a sentence too."""

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many words forms have, most first."""
        return tuple(sorted({len(words) for words in (*self.exact, *self.names)}, reverse=True))

    @cached_property
    def firsts(self) -> frozenset[str]:
        """Words with which forms begin."""
        return frozenset(words[0] for words in (*self.exact, *self.names))

    @cached_property
    def joined(self) -> Mapping[Words, Meaning]:
        """Written as one word."""
        return self._forms(lambda alias, words: [joined(form) for form in (words, *_names(alias, words, False))], {})

    @cached_property
    def whole(self) -> Mapping[Words, Meaning]:
        """Forms that mean the answer only if nothing else is said: shorter, or in another order."""
        return self._forms(
            lambda alias, words: [form for spelt in (words, *other_spellings(words)) for form in whole_forms(spelt)],
            self.exact,
        )

    def _forms(self, forms: Callable[[str, Words], Iterable[Words]], but: Container[Words]) -> dict[Words, Meaning]:
        meaning_of: dict[Words, Meaning] = {}
        claimed: dict[Words, set[Judgement]] = {}
        for judgement, alias, words in self.aliases:
            for form in forms(alias, words):
                if form and form not in but:
                    claimed.setdefault(form, set()).add(judgement)
                    meaning_of.setdefault(form, (judgement, alias))
        return {form: meaning for form, meaning in meaning_of.items() if len(claimed[form]) == 1}


@lru_cache(maxsize=8192)
def own_names(answers: tuple[str, ...], planted: str | None, with_synonyms: bool) -> Own:
    """The forms of a fact's answers."""
    return Own(answers, planted, with_synonyms=with_synonyms)


@final
class Known:
    """Values that a relation has for other subjects."""

    def __init__(self, values: Iterable[str]) -> None:
        self.exact: dict[Words, str] = dict(apart())
        for value in values:
            self.exact.update((words, value) for words in (read_words(value), *other_spellings(read_words(value))))
        self.exact.pop((), None)
        self.sizes = sorted({*map(len, self.exact)}, reverse=True)
        self.firsts = {words[0] for words in self.exact}

    @cached_property
    def joined(self) -> Mapping[Words, Sequence[Words]]:
        """Written as one word, with what they are forms of."""
        return self._by_form(lambda words: [joined(words)])

    @cached_property
    def whole(self) -> Mapping[Words, Sequence[Words]]:
        """Their shorter forms and other orders, with what they are forms of."""
        return self._by_form(whole_forms)

    def _by_form(self, forms: Callable[[Words], Iterable[Words]]) -> dict[Words, list[Words]]:
        answers_of: dict[Words, list[Words]] = {}
        for words in self.exact:
            for form in forms(words):
                answers_of.setdefault(form, []).append(words)
        return answers_of

    def of_size(self, size: int) -> Iterator[Words]:
        """Those of so many words."""
        return (words for words in self.exact if len(words) == size)


@lru_cache(maxsize=65536)
def _names(alias: str, words: Words, with_synonyms: bool) -> tuple[Words, ...]:
    return tuple(_other_names(alias, words, with_synonyms)) if words else ()


def _other_names(alias: str, words: Words, with_synonyms: bool) -> Iterator[Words]:
    if with_synonyms:
        yield from synonyms(words)
    if "(" in alias:
        yield read_words(_BRACKETS.sub("", alias))
    if alias.translate(_UMLAUTS) != alias:
        yield read_words(alias.translate(_UMLAUTS))
    if not UNITS.isdisjoint(words) and _FIGURE.search("".join(words)) is not None:
        yield tuple(word for word in words if word not in UNITS)
    for sign, typed in _TYPED:
        if (form := tuple(part for word in words for part in sign.sub(typed, word).split())) != words:
            yield form
    last = words[-1]
    # Wikidata writes what is no name in lower case, and only such words have a plural.
    if alias.strip()[-len(last) :] == last and last.isalpha() and len(last) > 3:
        yield (*words[:-1], last[:-1] if last.endswith("s") and not last.endswith("ss") else f"{last}s")
    if len(words) > 1 and (words[-1] in _CLUB or words[0] in _CLUB):
        rest = tuple(word for word in words if word not in _CLUB)
        if len("".join(rest)) > 3:
            yield rest


@lru_cache(maxsize=65536)
def joined(words: Words) -> Words:
    """One word of all letters; nothing where that could join or part figures."""
    word = "".join(words)
    if _FIGURE.search(word) is not None and sum(_FIGURE.search(part) is not None for part in words) > 1:
        return ()
    return (word,) if word else ()


def ordered(words: Words) -> Words:
    """The same for the same words in any order, without the small ones that link them; nothing for several figures."""
    rest = sorted(word for word in words if word not in _LINKS)
    return ("", *rest) if len(rest) > 1 and sum(_FIGURE.search(word) is not None for word in rest) < 2 else ()


@lru_cache(maxsize=65536)
def whole_forms(words: Words) -> tuple[Words, ...]:
    """Without a generic last word (`Republican Party`), without the country of a numbered name, in any order."""
    return tuple(_whole_forms(words))


def _whole_forms(words: Words) -> Iterator[Words]:
    if len(words) > 1 and words[-1] in _GENERIC and len("".join(words[:-1])) > 3:
        yield words[:-1]
    if "of" in words:
        stem = words[: words.index("of")]
        if len(stem) > 1 and any(word.isdecimal() for word in without_romans(stem)):
            yield stem
    if in_order := ordered(words):
        yield in_order
