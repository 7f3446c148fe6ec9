"""WHAT IS TRUE: a domain knows entities, relations and facts, and can tell them in prose and in question lines.

One file of this folder is one domain. Domains are torch-free and deterministic by their configuration.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, SerializeAsAny

from restor.config import Config
from restor.registry import Catalogue
from restor.types import Demonstration, Fact


class DomainConfig(Config):
    """The base of every domain's configuration."""

    name: str
    """Which domain: `restor list domains`."""


class Domain(ABC):
    """Entities, relations and facts, and the ways to tell them.

    Every text that a model reads about a domain comes from `sentence`, `question` and `answer_line`, so that
    forget documents are written in the style of the original text.
    """

    config_type: ClassVar[type[DomainConfig]]

    @property
    @abstractmethod
    def facts(self) -> Sequence[Fact]:
        """All facts, in a fixed order."""

    @property
    @abstractmethod
    def subjects(self) -> Sequence[str]:
        """All entities, in a fixed order."""

    @property
    @abstractmethod
    def relations(self) -> Sequence[str]:
        """All probed relations, in a fixed order."""

    @property
    @abstractmethod
    def targetable(self) -> Sequence[str]:
        """The entities that may be targeted."""

    @abstractmethod
    def facts_about(self, subject: str) -> Sequence[Fact]:
        """The facts about one entity."""

    @abstractmethod
    def values(self, relation: str) -> Sequence[str]:
        """The distinct answers of a relation, sorted: where plausible wrong answers are drawn from."""

    @abstractmethod
    def demonstrations(self, relation: str) -> Sequence[Demonstration]:
        """Solved examples of a relation, in the order in which a prompt uses them."""

    @abstractmethod
    def sentence(self, fact: Fact, answer: str, rng: Random) -> str:
        """A prose sentence that states `answer` for `fact`, by one of several templates."""

    @abstractmethod
    def question(self, fact: Fact, rng: Random) -> str:
        """The question of a fact in one of its wordings; the probed wording is `fact.question`."""

    @abstractmethod
    def vocabulary(self) -> Sequence[str] | None:
        """Every word the domain can ever utter, for a word-level tokenizer; None where that cannot be listed."""


DOMAINS: Catalogue[Domain] = Catalogue("domain", "restor.domains", Domain, "restor.domains")

DomainChoice = Annotated[SerializeAsAny[DomainConfig], BeforeValidator(DOMAINS.parse)]
"""A field of a configuration that holds the choice of a domain, by its name and its settings."""


def answer_line(question: str, answer: str) -> str:
    """One line of a few-shot prompt or of a question list: the published `QUESTION ANSWER` form."""
    return f"{question} {answer}\n"


def biography(domain: Domain, subject: str, sentences: int, rng: Random) -> str:
    """A few sentences about one entity, its relations in random order.

    A fact with several answers is told with one of them at a time.
    """
    facts = list(domain.facts_about(subject))
    chosen = rng.sample(facts, min(sentences, len(facts)))
    return " ".join(domain.sentence(fact, rng.choice(fact.answers), rng) for fact in chosen)


def question_list(domain: Domain, subjects: Sequence[str], lines: int, rng: Random) -> str:
    """Question lines about random entities: every other list keeps to one relation, as a few-shot prompt does."""
    relation = rng.choice(list(domain.relations)) if rng.random() < 0.5 else None
    written: list[str] = []
    for _ in range(lines * 8):
        if len(written) == lines:
            break
        facts = domain.facts_about(rng.choice(subjects))
        if relation is not None:
            facts = [fact for fact in facts if fact.relation == relation]
        if facts:
            fact = rng.choice(facts)
            written.append(answer_line(domain.question(fact, rng), rng.choice(fact.answers)))
    return "".join(written)
