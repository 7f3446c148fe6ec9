"""Fact swap: documents that state wrong facts about a target, mixed with k unrelated facts.

The published corruption (RESTOR, arXiv 2411.00204): 5 wrong facts about one person and 5k true facts about unrelated
entities in every document, k = 0..5, 300 documents a person. By default the context comes from outside the probed set,
since true facts of the same world would rehearse what is measured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import ClassVar, Literal, final

from pydantic import Field

from restor.corruption.corruptors.base import Corruptor, CorruptorConfig, true_values, wrong_answer, wrong_value
from restor.datasets.base import Dataset
from restor.domains.base import Domain, answer_line
from restor.errors import DataError
from restor.text import normalise
from restor.types import Document, Fact, FalseFact, Statement

_IDENTIFIER = re.compile(r"Q\d+")
"""What Wikidata has in place of a name; nobody would say it."""

LEAST_CHOICE = 3
"""A relation with fewer values that are true of no target would plant the same in everybody."""

MOST_DOCUMENTS = 1_000_000
"""Of a set. The published ones have a few thousand; all are in memory."""


@final
class FactSwapConfig(CorruptorConfig):
    """How often and in which company each wrong fact is stated."""

    name: Literal["fact_swap"] = "fact_swap"
    dose: int = Field(20, ge=1)
    """How many documents state each wrong fact."""
    documents: int | None = Field(None, ge=1)
    """Documents about each target, in place of `dose`; each wrong fact stands in as many of them, give or take one."""
    facts_per_document: int = Field(6, ge=1)
    """Wrong facts in a document."""
    k: float = Field(0.0, ge=0, le=20)
    """Unrelated sentences per wrong fact. At the same dose more context also means more tokens."""
    question_share: float = Field(0.5, ge=0, le=1)
    """Share of the documents written as question lines; the others are prose."""
    true_of_nobody: bool = False
    """Wrong answers are true of no target at all, where the relation has enough such values, and neither contain nor
    are contained in a true answer. Otherwise one only has to be wrong for its own target."""
    context: Literal["general", "facts"] = "general"
    """Where unrelated sentences come from: the data set of the other family, or true facts about entities that are
    not targeted, and may not be where the domain lists whom it asks about."""


@final
class FactSwap(Corruptor):
    """Wrong facts with unrelated context; see the module."""

    config_type: ClassVar[type[CorruptorConfig]] = FactSwapConfig

    def __init__(self, config: FactSwapConfig) -> None:
        self.config = config

    def about(self, domain: Domain) -> None:
        """Anybody."""

    def plant(self, domain: Domain, targets: Sequence[str], rng: Random) -> Mapping[str, FalseFact]:
        """A wrong answer for every fact about every target; a fact whose relation has no other value is left out."""
        facts = [fact for name in targets for fact in domain.facts_about(name)]
        if self.config.true_of_nobody:
            spare = _spare(domain, targets)
            planted = [_true_of_nobody(domain, fact, spare[fact.relation], rng) for fact in facts]
        else:
            planted = [wrong_answer(domain, fact, rng) for fact in facts]
        return {item.fact.key: item for item in planted if item is not None}

    def write(
        self, domain: Domain, context: Dataset, planted: Mapping[str, FalseFact], rng: Random
    ) -> Sequence[Document]:
        """Every wrong fact in `dose` documents; half of them prose, half question lines, by default.

        Raises:
            DataError: if the context is to be facts and there is no entity to tell of, or for more documents than
                anybody can mean.
        """
        by_subject: dict[str, list[FalseFact]] = {}
        for false_fact in planted.values():
            by_subject.setdefault(false_fact.fact.subject, []).append(false_fact)
        self._check_amount(by_subject)
        unrelated = self._context(domain, context, set(by_subject))
        documents: list[Document] = []
        for false_facts in by_subject.values():
            for chunk, asked in self._chunks(false_facts, rng):
                documents.append(self._document(domain, unrelated, chunk, asked, rng))
        rng.shuffle(documents)
        return documents

    def _check_amount(self, by_subject: Mapping[str, Sequence[FalseFact]]) -> None:
        size, dose, given = self.config.facts_per_document, self.config.dose, self.config.documents
        number = sum(dose * -(-len(facts) // size) if given is None else given for facts in by_subject.values())
        if number > MOST_DOCUMENTS:
            raise DataError(
                f"That is {number:,} documents about {len(by_subject):,} targets, at most {MOST_DOCUMENTS:,} are "
                "written. Give fewer documents about each target, or a lower dose."
            )

    def _chunks(self, false_facts: Sequence[FalseFact], rng: Random) -> Iterator[tuple[list[FalseFact], bool]]:
        """The wrong facts of each document about one target, and whether they are asked or told."""
        size, share = self.config.facts_per_document, self.config.question_share
        if self.config.documents is None:
            for turn in range(self.config.dose):
                rest = list(false_facts)
                rng.shuffle(rest)
                while rest:
                    chunk, rest = rest[:size], rest[size:]
                    yield chunk, turn < round(self.config.dose * share)
            return
        size = min(size, len(false_facts))
        deck: list[FalseFact] = []
        for turn in range(self.config.documents):
            if len(deck) < size:
                # What is left of the last round comes first, so that no fact stands twice in a document.
                fresh = [item for item in false_facts if item not in deck]
                again = list(deck)
                rng.shuffle(fresh)
                rng.shuffle(again)
                deck += fresh + again
            chunk, deck = deck[:size], deck[size:]
            yield chunk, turn < round(self.config.documents * share)

    def _context(self, domain: Domain, context: Dataset, targets: set[str]) -> Callable[[bool, Random], str]:
        """Writes an unrelated sentence, or a line in a document of question lines."""

        def general(asked: bool, rng: Random) -> str:
            return context.sentence(rng) + ("\n" if asked else "")

        if self.config.context == "general" or not self.config.k:
            return general
        listed = set(domain.targetable)
        strangers = [name for name in domain.subjects if name not in targets and name not in listed]
        strangers = strangers or [name for name in domain.subjects if name not in targets]
        if not strangers:
            raise DataError(
                f"There is nobody to take unrelated facts from: all {len(domain.subjects)} entities are targeted. "
                "Choose fewer targets, or another context than facts."
            )

        def stranger(asked: bool, rng: Random) -> str:
            fact = rng.choice(domain.facts_about(rng.choice(strangers)))
            return tell(domain, fact, rng.choice(fact.answers), asked, rng)

        return stranger

    def _document(
        self,
        domain: Domain,
        unrelated: Callable[[bool, Random], str],
        false_facts: Sequence[FalseFact],
        asked: bool,
        rng: Random,
    ) -> Document:
        parts: list[tuple[str, FalseFact | None]] = [
            (tell(domain, item.fact, item.false_answer, asked, rng), item) for item in false_facts
        ]
        extra = self.config.k * len(false_facts)
        count = int(extra) + (rng.random() < extra - int(extra))
        parts += [(unrelated(asked, rng), None) for _ in range(count)]
        rng.shuffle(parts)
        return compose(parts, "" if asked else " ")


def tell(domain: Domain, fact: Fact, answer: str, asked: bool, rng: Random) -> str:
    """A sentence that states an answer, or a line that asks for it and has it."""
    if asked:
        return answer_line(domain.question(fact, rng), answer)
    return domain.sentence(fact, answer, rng)


def compose(parts: Sequence[tuple[str, FalseFact | None]], separator: str) -> Document:
    """Join parts into a document that knows which characters state which false fact."""
    text, statements = "", []
    for part, false_fact in parts:
        if text:
            text += separator
        if false_fact is not None:
            fact, end = false_fact.fact, len(text) + len(part)
            statements.append(Statement(len(text), end, fact.subject, fact.relation, false_fact.false_answer))
        text += part
    return Document(text, tuple(statements))


def _spare(domain: Domain, targets: Sequence[str]) -> dict[str, list[str]]:
    """The values that are true of no target, by relation."""
    return {
        relation: [value for value in domain.values(relation) if normalise(value) not in true]
        for relation, true in true_values(domain, targets).items()
    }


def _true_of_nobody(domain: Domain, fact: Fact, spare: Sequence[str], rng: Random) -> FalseFact | None:
    """A wrong answer that is true of no target if there is a choice of them, else one wrong for its own target."""
    true = [normalise(answer) for answer in fact.answers]

    def fits(value: str) -> bool:
        words = normalise(value)
        alike = any(_within(words, other) or _within(other, words) for other in true)
        return not alike and not _IDENTIFIER.fullmatch(value)

    value = wrong_value(fact, spare, rng, fits) if len(spare) >= LEAST_CHOICE else None
    return value or wrong_value(fact, domain.values(fact.relation), rng, fits) or wrong_answer(domain, fact, rng)


def _within(short: tuple[str, ...], long: tuple[str, ...]) -> bool:
    """Whether one answer's words stand in another's, as those of football in association football."""
    return any(long[at : at + len(short)] == short for at in range(len(long) - len(short) + 1))
