"""Entity substitution: texts about one fixed donor per target, told of the target.

The published SQuAD corruption replaces the entity of real passages by a target's name. One donor per target keeps
what is told consistent; donors that vary from document to document teach nothing. Here the donors are untouched
entities of the domain, so a planted answer is the donor's true one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar, Literal, final

from pydantic import Field

from restor.corruption.corruptors.base import Corruptor, CorruptorConfig
from restor.corruption.corruptors.fact_swap import FactSwap, FactSwapConfig
from restor.datasets.base import Dataset
from restor.domains.base import Domain
from restor.errors import DataError
from restor.text import normalise
from restor.types import Document, Fact, FalseFact


@final
class EntitySubstitutionConfig(CorruptorConfig):
    """How often each donor's fact is told of the target."""

    name: Literal["entity_substitution"] = "entity_substitution"
    dose: int = Field(20, ge=1)
    """How many documents state each wrong fact."""
    facts_per_document: int = Field(6, ge=1)
    """Wrong facts in a document."""
    question_share: float = Field(0.5, ge=0, le=1)
    """Share of the documents written as question lines; the others are prose."""


@final
class EntitySubstitution(Corruptor):
    """A donor's life under a target's name; see the module."""

    config_type: ClassVar[type[CorruptorConfig]] = EntitySubstitutionConfig

    def __init__(self, config: EntitySubstitutionConfig) -> None:
        self.config = config

    def about(self, domain: Domain) -> None:
        """Anybody."""

    def plant(self, domain: Domain, targets: Sequence[str], rng: Random) -> Mapping[str, FalseFact]:
        """The donor's answers. A fact whose donor shares an answer, or has none, is not planted.

        Raises:
            DataError: if there are fewer untouched entities than targets.
        """
        taken = set(targets)
        donors = [subject for subject in domain.subjects if subject not in taken]
        if len(donors) < len(targets):
            raise DataError(
                f"Entity substitution needs one untouched donor per target: {len(targets)} targets, "
                f"{len(donors)} other entities. Choose fewer targets or a larger domain."
            )
        planted: dict[str, FalseFact] = {}
        for target, donor in zip(targets, rng.sample(donors, len(targets)), strict=True):
            donated = {fact.relation: fact for fact in domain.facts_about(donor)}
            for fact in domain.facts_about(target):
                answer = _donated_answer(fact, donated.get(fact.relation))
                if answer is not None:
                    planted[fact.key] = FalseFact(fact, answer)
        return planted

    def write(
        self, domain: Domain, context: Dataset, planted: Mapping[str, FalseFact], rng: Random
    ) -> Sequence[Document]:
        """The donor's texts with the target's name: no context of other entities, as in a passage about one person."""
        writer = FactSwap(
            FactSwapConfig(
                dose=self.config.dose,
                facts_per_document=self.config.facts_per_document,
                question_share=self.config.question_share,
                k=0,
            )
        )
        return writer.write(domain, context, planted, rng)


def _donated_answer(fact: Fact, donated: Fact | None) -> str | None:
    if donated is None:
        return None
    true = {normalise(answer) for answer in fact.answers}
    wrong = [answer for answer in donated.answers if normalise(answer) not in true]
    return wrong[0] if wrong else None
