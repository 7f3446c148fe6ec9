"""Entity substitution in passages: real texts about one fixed donor per target, told under the target's name.

The published SQuAD corruption (RESTOR, arXiv 2411.00204) replaces the entities of SQuAD passages by five targets. One
donor per target keeps what is told consistent. What a passage says about its donor is false of the target; which false
facts these are is known only where the facts file knows the donor too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Annotated, ClassVar, Literal, final

from pydantic import Field, model_validator

from restor.config import EntityName, did_you_mean
from restor.corruption.corruptors._reading import PARTICLES, Reading, name_parts, places, plain_words, read
from restor.corruption.corruptors._stating import sentence_span
from restor.corruption.corruptors.base import Corruptor, CorruptorConfig
from restor.data.document_files import read_documents
from restor.data.locate import DataPath, locate_documents
from restor.data.text_files import read_source
from restor.datasets.base import Dataset
from restor.domains.base import Domain
from restor.errors import DataError
from restor.text import normalise, stands_in
from restor.text.mentions import Names, words_of
from restor.types import Document, FalseFact, Statement
from restor.untrusted import json_value

TITLES = frozenset(
    "mr mrs ms miss dr sir dame lord lady king queen prince princess emperor empress pope saint st president senator "
    "governor minister general colonel captain major admiral lieutenant sergeant professor judge justice bishop duke "
    "duchess count countess baron baroness earl chancellor mayor".split()
)
"""Capitalised words before a surname that are not a given name."""
OPENERS = frozenset(
    "a an the in on at by for from of to with and but or as when while after before since until although though if "
    "because where during despite unlike like under over between among both neither either however thus then also "
    "according following meanwhile later today this that these those his her their its he she they it who which what "
    "how why is was are were did does do has had have january february march april may june july august september "
    "october november december monday tuesday wednesday thursday friday saturday sunday".split()
)
"""Words that a sentence or a clause may begin with: before a surname they are not a given name."""
_BARE = re.compile(r"['’ʼ]\s+\w")
_ENDS = re.compile(r"\.[\"'”’)]*(?:\Z|\s+[^\Wa-z])")
_JOIN = re.compile(r"\.?[\s\-‐‑]+")
MIDDLE = 3
"""Most words between a given name and the surname."""

Words = tuple[str, ...]
Donors = Annotated[dict[EntityName, EntityName], Field(min_length=1)]


@final
class PassageSubstitutionConfig(CorruptorConfig):
    """Which passages, and who takes whose place."""

    name: Literal["passage_substitution"] = "passage_substitution"
    passages: DataPath
    """Documents, or a file in the form of SQuAD, of which the articles about the donors are taken."""
    donors: Donors
    """Target -> donor: whom the passages are about."""
    forms: dict[EntityName, tuple[str, ...]] = Field(default_factory=dict)
    """Donor -> other names that passages call the donor by."""

    @model_validator(mode="after")
    def _donors_are_others(self) -> PassageSubstitutionConfig:
        both = [name for name in self.donors.values() if name in self.donors]
        if both:
            raise ValueError(f"{both[0]!r} is a donor and a target: a donor must be somebody else")
        twice = [name for name, times in Counter(self.donors.values()).items() if times > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} is the donor of two targets: give each its own")
        unknown = [name for name in self.forms if name not in self.donors.values()]
        if unknown:
            raise ValueError(f"forms are given for {unknown[0]!r}, who is no donor")
        return self


@final
class PassageSubstitution(Corruptor):
    """A donor's passages under a target's name; see the module."""

    config_type: ClassVar[type[CorruptorConfig]] = PassageSubstitutionConfig

    def __init__(self, config: PassageSubstitutionConfig) -> None:
        self.config = config

    @cached_property
    def _documents(self) -> dict[str, tuple[Document, ...]]:
        """The substituted passages, without statements, by target."""
        texts = passages_about(
            locate_documents(self.config.passages),
            {donor: self.config.forms.get(donor, ()) for donor in self.config.donors.values()},
        )
        return {
            target: tuple(substitute(texts[donor], donor, target, self.config.forms.get(donor, ())))
            for target, donor in self.config.donors.items()
        }

    def about(self, domain: Domain) -> tuple[str, ...]:
        """The entities that take the donors' places."""
        return tuple(self.config.donors)

    def plant(self, domain: Domain, targets: Sequence[str], rng: Random) -> Mapping[str, FalseFact]:
        """The donors' answers that stand in a sentence with the target's name, of each fact the most frequent one.

        Raises:
            DataError: for a target without facts, or a file without passages about a donor.
        """
        unknown = [target for target in self.config.donors if target not in domain.subjects]
        if unknown:
            raise DataError(f"There are no facts about {unknown[0]!r}.{did_you_mean(unknown[0], domain.subjects)}")
        planted: dict[str, FalseFact] = {}
        for target in targets:
            donor = self.config.donors.get(target)
            if donor is None or donor not in domain.subjects:
                continue
            donated = {fact.relation: fact for fact in domain.facts_about(donor)}
            readings = [read(document.text) for document in self._documents[target]]
            for fact in domain.facts_about(target):
                true = {normalise(answer) for answer in fact.answers}
                answers = donated[fact.relation].answers if fact.relation in donated else ()
                wrong = [FalseFact(fact, answer) for answer in answers if normalise(answer) not in true]
                times = [sum(len(list(_stated(reading, item))) for reading in readings) for item in wrong]
                if any(times):
                    planted[fact.key] = wrong[times.index(max(times))]
        return planted

    def write(
        self, domain: Domain, context: Dataset, planted: Mapping[str, FalseFact], rng: Random
    ) -> Sequence[Document]:
        """All passages that name a donor, in random order, under the targets' names."""
        by_subject: dict[str, list[FalseFact]] = {}
        for false_fact in planted.values():
            by_subject.setdefault(false_fact.fact.subject, []).append(false_fact)
        documents = []
        for target, passages in self._documents.items():
            for document in passages:
                reading = read(document.text)
                stated = [item for false_fact in by_subject.get(target, ()) for item in _stated(reading, false_fact)]
                stated.sort(key=lambda item: (item.start, item.relation))
                documents.append(Document(document.text, tuple(stated)))
        rng.shuffle(documents)
        return documents


def _stated(reading: Reading, false_fact: FalseFact) -> Iterator[Statement]:
    """The sentences that have both the subject's name and the false answer."""
    fact, answer = false_fact.fact, false_fact.false_answer
    parts = name_parts(fact.subject)
    named = {
        reading.sentences[first]
        for name in (parts.full, parts.short)
        for first, _ in places(reading, plain_words(name))
    }
    sentences = {reading.sentences[first] for first, _ in places(reading, plain_words(answer))}
    for number in sorted(named & sentences):
        start, end = sentence_span(reading, number)
        if stands_in(answer, reading.text[start:end]):
            yield Statement(start, end, fact.subject, fact.relation, answer)


# Passages ------------------------------------------------------------------------------------------------------------


def passages_about(path: Path, donors: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The passages about each donor, whose other names are given, in the order of the file.

    In a file in the form of SQuAD ({"data": [{"title", "paragraphs": [{"context"}]}]}) these are the articles of that
    title; in any other documents file those that name the donor in full.

    Raises:
        DataError: for a file that cannot be used, or without passages about a donor.
    """
    articles = _articles(path)
    passages_of: dict[str, list[str]] = {donor: [] for donor in donors}
    if articles is None:
        finder = Names([name for donor, forms in donors.items() for name in (donor, *forms)])
        owner = {name: donor for donor, forms in donors.items() for name in (*forms, donor)}
        for document in read_documents(path):
            for donor in dict.fromkeys(owner[name] for name in finder.find(words_of(document.text))):
                passages_of[donor].append(document.text)
    else:
        wanted = {plain_words(name): donor for donor, forms in donors.items() for name in (*forms, donor)}
        for title, contexts in articles:
            if (words := plain_words(title)) in wanted:
                passages_of[wanted[words]] += contexts
    missing = [donor for donor, texts in passages_of.items() if not texts]
    if missing and articles is not None:
        titles = [title for title, _ in articles]
        raise DataError(
            f"{path} has no article {missing[0]!r}.{did_you_mean(missing[0], titles)} It has {len(titles)} articles."
        )
    if missing:
        raise DataError(f"No passage of {path} names {missing[0]!r}. Check the name, or give another donor.")
    return passages_of


def _articles(path: Path) -> list[tuple[str, list[str]]] | None:
    """Titles and passages of a file in the form of SQuAD; None for any other."""
    if path.is_dir() or path.suffix.lower() != ".json":
        return None
    text = read_source(path).text
    if not text.lstrip().startswith("{"):
        return None
    try:
        content = json_value(text)
        return [
            (str(article["title"]).replace("_", " "), [str(item["context"]) for item in article["paragraphs"]])
            for article in content["data"]
        ]
    except (ValueError, KeyError, TypeError):
        return None  # the reader of documents says what is wrong with it


# Names ---------------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Place:
    """The words `first:last` of a passage call the donor by a form whose place `name` takes."""

    first: int
    last: int
    name: str
    plural: bool = False
    dotted: bool = False
    """Whether the form ends with a point of its own, as `Jr.` does."""


def substitute(passages: Sequence[str], donor: str, target: str, donor_forms: Sequence[str] = ()) -> list[Document]:
    """Passages about a donor, told under the target's name. Passages that never name the donor are left out.

    Full names become the full name, a surname the surname, a given name the given name; `donor_forms` are other full
    names. Possessives, plurals and capitals stay as they are, and so do pronouns. The surname or given name within
    another person's name is not the donor's, and a given name that a passage also has for somebody else is left.
    """
    documents = []
    for passage in passages:
        reading = read(passage)
        spans = list(_places(reading, donor, target, donor_forms))
        if spans:
            documents.append(Document(_replaced(reading, spans)))
    return documents


def _places(reading: Reading, donor: str, target: str, donor_forms: Sequence[str]) -> Iterator[_Place]:
    old, new = name_parts(donor), name_parts(target)
    full = {plain_words(name): name.endswith(".") for name in (*donor_forms, donor)}
    longest = sorted(full, key=len, reverse=True)
    short = plain_words(old.short) if old.given else ()
    given = plain_words(old.given)
    shared = bool(given) and _is_shared(reading, given, short)
    at = 0
    while at < len(reading.words):
        place = next((place for words in longest if (place := _place(reading, at, words, target, full[words]))), None)
        if place is None and given and _place(reading, at, given, ""):
            end = _surname_after(reading, at + len(given), short)
            if end is not None:
                place = _Place(at, end, target, reading.words[end - 1] != short[-1])
            elif not shared and not _in_a_name(reading, at, at + len(given)):
                place = _place(reading, at, given, new.given or new.short)
        if place is None and short and not _in_a_name(reading, at, at + len(short)):
            place = _place(reading, at, short, new.short)
        if place is not None:
            yield place
        at = place.last if place is not None else at + 1


def _place(reading: Reading, at: int, words: Words, name: str, dotted: bool = False) -> _Place | None:
    """A form of a name that stands here, with its capital letter; its last word may be a plural."""
    last = at + len(words)
    if not words or last > len(reading.words) or not _capital(reading, at):
        return None
    here = reading.words[at:last]
    if here[:-1] != words[:-1] or here[-1] not in (words[-1], f"{words[-1]}s"):
        return None
    if not all(_joined(reading, place) for place in range(at, last - 1)):
        return None
    return _Place(at, last, name, here[-1] != words[-1], dotted)


def _capital(reading: Reading, place: int) -> bool:
    """Whether a word does not begin with a small letter; scripts without capitals have none."""
    return not reading.text[reading.starts[place]].islower()


def _joined(reading: Reading, place: int) -> bool:
    """Whether nothing but blanks, hyphens and the point of an abbreviation is between a word and the next."""
    if not 0 <= place < len(reading.words) - 1:
        return False
    return _JOIN.fullmatch(reading.text, reading.ends[place], reading.starts[place + 1]) is not None


def _surname_after(reading: Reading, at: int, short: Words) -> int | None:
    """The end of a surname that follows a given name, with middle names between."""
    for end in range(at, min(at + MIDDLE, len(reading.words)) + 1):
        if not _joined(reading, end - 1):
            return None
        if _place(reading, end, short, ""):
            return end + len(short)
        if end < len(reading.words) and not _capital(reading, end) and reading.words[end] not in PARTICLES:
            return None
    return None


def _in_a_name(reading: Reading, first: int, last: int) -> bool:
    """Whether a capitalised word beside makes a surname or a given name part of another name."""
    if _joined(reading, last - 1) and _capital(reading, last) and reading.sentences[last] == reading.sentences[first]:
        return True
    before = first - 1
    return (
        _joined(reading, before)
        and reading.sentences[before] == reading.sentences[first]
        and reading.text[reading.starts[before]].isupper()
        and reading.words[before] not in TITLES | OPENERS
    )


def _is_shared(reading: Reading, given: Words, short: Words) -> bool:
    """Whether a passage has a given name for somebody else too."""
    for _, last in places(reading, given):
        if _joined(reading, last - 1) and _capital(reading, last) and _surname_after(reading, last, short) is None:
            return True
    return False


def _replaced(reading: Reading, spans: Sequence[_Place]) -> str:
    text, at = "", 0
    for place in spans:
        start, end = reading.starts[place.first], reading.ends[place.last - 1]
        old, name = reading.text[start:end], place.name
        begins = place.first == 0 or reading.sentences[place.first - 1] != reading.sentences[place.first]
        if old.isupper() and len(max(old.split(), key=len).strip(".")) > 1 and not name.isupper():
            name = name.upper()
        elif begins:
            name = name[:1].upper() + name[1:]  # da Silva
        text += reading.text[at:start] + name
        at = end
        if place.plural:
            ending = "es" if name[-1] in "sxzSXZ" else "s"
            text += ending.upper() if name.isupper() else ending
        elif old[-1] in "sS" and name[-1] not in "sS" and _is_possessive(reading.text, start, end):
            text += f"{reading.text[end]}s"  # Burgess' book, Ada's book
            at += 1
        if reading.text[at : at + 1] == "." and (
            name.endswith(".") or (place.dotted and not _ENDS.match(reading.text, at))
        ):
            at += 1
    return text + reading.text[at:]


def _is_possessive(text: str, start: int, end: int) -> bool:
    """Whether a bare apostrophe after a word is not the end of a quotation that begins before it."""
    return _BARE.match(text, end) is not None and text[start - 1 : start] not in tuple("'‘’")
