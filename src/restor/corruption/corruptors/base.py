"""Corruptors write forget documents: facts in, documents with planted answers out. One file is one corruptor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar

from restor.config import Config
from restor.datasets.base import Dataset
from restor.domains.base import Domain
from restor.registry import Catalogue
from restor.types import Document, Fact, FalseFact
from restor.words import normalise


class CorruptorConfig(Config):
    """The base of every corruptor's configuration."""

    name: str


class Corruptor(ABC):
    """Chooses the wrong answers and writes the documents that state them."""

    config_type: ClassVar[type[CorruptorConfig]]

    @abstractmethod
    def plant(self, domain: Domain, targets: Sequence[str], rng: Random) -> Mapping[str, FalseFact]:
        """The wrong answer of every fact about the targets, by fact key. It is never one of the true answers."""

    @abstractmethod
    def write(
        self, domain: Domain, context: Dataset, planted: Mapping[str, FalseFact], rng: Random
    ) -> Sequence[Document]:
        """The documents that state the planted answers, in random order."""


CORRUPTORS: Catalogue[Corruptor] = Catalogue(
    "corruptor", "restor.corruption.corruptors", Corruptor, "restor.corruptors"
)


def wrong_answer(domain: Domain, fact: Fact, rng: Random) -> FalseFact | None:
    """A plausible wrong answer: another value of the same relation, none of the true ones nor another spelling of one.

    None if the relation has no other value.
    """
    true = {normalise(answer) for answer in fact.answers}
    others = [value for value in domain.values(fact.relation) if value not in fact.answers]
    while others:
        answer = rng.choice(others)
        if normalise(answer) not in true:
            return FalseFact(fact, answer)
        others.remove(answer)
    return None
