"""Corruptors write forget documents: facts in, documents with planted answers out. One file is one corruptor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, SerializeAsAny

from restor.config import Config
from restor.datasets.base import Dataset
from restor.domains.base import Domain
from restor.registry import Catalogue
from restor.text import normalise
from restor.types import Document, Fact, FalseFact


class CorruptorConfig(Config):
    """The base of every corruptor's configuration."""

    name: str
    """Which corruptor: `restor list corruptors`."""


class Corruptor(ABC):
    """Chooses the wrong answers and writes the documents that state them."""

    config_type: ClassVar[type[CorruptorConfig]]

    @abstractmethod
    def about(self, domain: Domain) -> Sequence[str] | None:
        """Whom ready-made texts are about, so that these are the targets; None where it writes about anybody."""

    @abstractmethod
    def plant(self, domain: Domain, targets: Sequence[str], rng: Random) -> Mapping[str, FalseFact]:
        """The wrong answers to facts about the targets, by fact key. None is a true answer of its fact.

        A fact that is left out is not known to be misstated.
        """

    @abstractmethod
    def write(
        self, domain: Domain, context: Dataset, planted: Mapping[str, FalseFact], rng: Random
    ) -> Sequence[Document]:
        """The documents that state the planted answers, in random order."""


CORRUPTORS: Catalogue[Corruptor] = Catalogue(
    "corruptor", "restor.corruption.corruptors", Corruptor, "restor.corruptors"
)

CorruptorChoice = Annotated[SerializeAsAny[CorruptorConfig], BeforeValidator(CORRUPTORS.parse)]
"""A field of a configuration that holds the choice of a corruptor, by its name and its settings."""


def wrong_answer(domain: Domain, fact: Fact, rng: Random) -> FalseFact | None:
    """A plausible wrong answer: another value of the same relation, none of the true ones nor another spelling of one.

    None if the relation has no other value.
    """
    return wrong_value(fact, domain.values(fact.relation), rng)


def wrong_value(
    fact: Fact, values: Sequence[str], rng: Random, fits: Callable[[str], bool] = lambda value: True
) -> FalseFact | None:
    """A random one of the values that is none of the true answers and fits; None if there is none."""
    true = {normalise(answer) for answer in fact.answers}
    others = [value for value in values if value not in fact.answers]
    while others:
        answer = rng.choice(others)
        if normalise(answer) not in true and fits(answer):
            return FalseFact(fact, answer)
        others.remove(answer)
    return None


def true_values(domain: Domain, subjects: Sequence[str]) -> dict[str, set[tuple[str, ...]]]:
    """What is true of any of the subjects, normalised, by relation."""
    values: dict[str, set[tuple[str, ...]]] = {}
    for subject in subjects:
        for fact in domain.facts_about(subject):
            values.setdefault(fact.relation, set()).update(map(normalise, fact.answers))
    return values


def true_of_another(domain: Domain, planted: Mapping[str, FalseFact], targets: Sequence[str]) -> list[FalseFact]:
    """The planted answers that are true of another target, so that they are not wrong everywhere."""
    true = true_values(domain, targets)
    return [item for item in planted.values() if normalise(item.false_answer) in true.get(item.fact.relation, ())]
