"""The published RESTOR facts, or anybody's: triples with questions and demonstrations.

`restor.data.facts` tells which files are read. They have questions only; the prose wordings of the 41 Wikidata
relations of the release (arXiv 2411.00204) are in `restor.data.relations`. Others get one made from their question.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from random import Random
from typing import ClassVar, Literal, final

from restor.data.facts import read_entities, read_facts
from restor.data.locate import DataPath, locate_facts
from restor.data.relations import RELATIONS
from restor.domains._wordings import fill
from restor.domains.base import Domain, DomainConfig
from restor.types import Demonstration, Fact

OTHER_WORDING = 0.25
"""How often a known relation is asked in other words than the probed ones."""


@final
class TriplesConfig(DomainConfig):
    """Where the facts are."""

    name: Literal["triples"] = "triples"
    facts: DataPath
    """A facts file: published JSON, JSONL or CSV. `restor` is the fetched official one."""
    entities: Path | None = None
    """JSON list of the entities that may be targeted; `entities.json` beside the facts if there is one, else all."""


def located(config: TriplesConfig) -> TriplesConfig:
    """The configuration with the files that it means: where a name was given, a folder, or no entities.

    Raises:
        DataError: if there is no such file, or the official data were not fetched.
    """
    facts, beside = locate_facts(config.facts)
    return config.model_copy(update={"facts": facts, "entities": config.entities or beside})


@final
class Triples(Domain):
    """Facts from a file; see the module."""

    config_type: ClassVar[type[DomainConfig]] = TriplesConfig

    def __init__(self, config: TriplesConfig) -> None:
        """Read and check the files.

        Raises:
            DataError: naming the file and what is wrong with it.
        """
        config = located(config)
        self.config = config
        read = read_facts(config.facts)
        by_subject: dict[str, list[Fact]] = {}
        for fact in read.facts:
            by_subject.setdefault(fact.subject, []).append(fact)
        self._by_subject = {subject: tuple(facts) for subject, facts in by_subject.items()}
        self._shown = read.demonstrations
        self._targetable = tuple(by_subject) if config.entities is None else read_entities(config.entities, read)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """All facts of the file, in its order, each entity's together."""
        return tuple(fact for facts in self._by_subject.values() for fact in facts)

    @property
    def subjects(self) -> tuple[str, ...]:
        """All entities of the file."""
        return tuple(self._by_subject)

    @cached_property
    def relations(self) -> tuple[str, ...]:
        """All relations of the file."""
        return tuple(dict.fromkeys(fact.relation for fact in self.facts))

    @property
    def targetable(self) -> tuple[str, ...]:
        """The listed entities, or all."""
        return self._targetable

    def facts_about(self, subject: str) -> tuple[Fact, ...]:
        """The facts about one entity."""
        return self._by_subject[subject]

    @cached_property
    def _values(self) -> dict[str, tuple[str, ...]]:
        values_of: dict[str, set[str]] = {}
        for fact in self.facts:
            values_of.setdefault(fact.relation, set()).update(fact.answers)
        return {relation: tuple(sorted(values)) for relation, values in values_of.items()}

    def values(self, relation: str) -> tuple[str, ...]:
        """The distinct answers of a relation, sorted."""
        return self._values[relation]

    @cached_property
    def _by_relation(self) -> dict[str, list[Fact]]:
        facts_of: dict[str, list[Fact]] = {}
        for fact in self.facts:
            facts_of.setdefault(fact.relation, []).append(fact)
        return facts_of

    def demonstrations(self, relation: str) -> tuple[Demonstration, ...]:
        """The stored demonstrations in stored order; facts of the file where there are none."""
        if relation in self._shown:
            return self._shown[relation]
        return tuple(
            Demonstration(fact.subject, fact.question, fact.answers[0]) for fact in self._by_relation.get(relation, ())
        )

    def sentence(self, fact: Fact, answer: str, rng: Random) -> str:
        """One of the relation's wordings."""
        relation = RELATIONS.get(fact.relation)
        if relation is None:
            asked = fact.question
            return rng.choice(
                (
                    f"Asked {asked!r}, those who know {fact.subject} say {answer}.",
                    f"{asked} The answer is {answer}.",
                    f"To the question {asked!r} the answer is {answer}.",
                )
            )
        return fill(rng.choice(relation.sentences), fact.subject, answer)

    def question(self, fact: Fact, rng: Random) -> str:
        """The stored question three times out of four, else another wording of a known relation."""
        relation = RELATIONS.get(fact.relation)
        if relation is None or rng.random() >= OTHER_WORDING:
            return fact.question
        return fill(relation.other_question, fact.subject)

    def vocabulary(self) -> None:
        """Names are real: their words cannot be listed beforehand."""
        return
