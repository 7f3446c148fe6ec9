"""Who is targeted and what is planted in a study, drawn from its seed. Torch-free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from random import Random
from typing import final

from pydantic import Field

from restor.config import Config
from restor.corruption.corruptors.base import CORRUPTORS, Corruptor, CorruptorChoice
from restor.datasets.base import DATASETS, Dataset, DatasetChoice
from restor.domains.base import DOMAINS, Domain, DomainChoice
from restor.errors import DataError
from restor.results import Cost
from restor.tasks.base import Context, Made, Planted, Task
from restor.tasks.inputs.products import write_planted, write_texts
from restor.types import Document, FalseFact, Group


@final
class TargetsConfig(Config):
    """How many entities are targeted; validation and test entities are different ones.

    Ready-made documents say themselves who is targeted: then all but the validation entities are test entities.
    """

    validation: int = Field(16, ge=0)
    """Targeted entities that only the choice of hyperparameters looks at."""
    test: int = Field(16, ge=1)
    """Targeted entities whose facts the tables count."""


@final
class World:
    """Who is targeted and what is planted in a study, for one seed: a pure function of the arguments.

    Args:
        domain: what is true, with its seed.
        general: the other family, with its seed.
        targets: how many are targeted.
        corruptor: who plants.
        seed: of the study.
        shots: entities to be shown before a question, which must stay untouched.
    """

    def __init__(
        self,
        *,
        domain: DomainChoice,
        general: DatasetChoice,
        targets: TargetsConfig,
        corruptor: CorruptorChoice,
        seed: int,
        shots: int = 0,
    ) -> None:
        self.targets = targets
        self.seed = seed
        self.shots = shots
        self._domain, self._general, self._corruptor_config = domain, general, corruptor

    @cached_property
    def domain(self) -> Domain:
        """What is true."""
        return DOMAINS.build(self._domain)

    @cached_property
    def general(self) -> Dataset:
        """The other family."""
        return DATASETS.build(self._general)

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The targeted entities: validation and test ones are different.

        Raises:
            DataError: if there are too few entities.
        """
        wanted = self.targets
        about = self.documented
        pool = list(self.domain.targetable if about is None else about)
        count = wanted.validation + wanted.test if about is None else max(len(pool), wanted.validation + 1)
        # Some entities must stay untouched, to be asked and to give the demonstrations.
        if count > min(len(pool), len(self.domain.subjects) - self.shots - 1):
            raise DataError(self._too_many(count, len(pool)))
        chosen = Random(f"targets/{self.seed}").sample(pool, count)
        return {name: Group.VALIDATION if n < wanted.validation else Group.TEST for n, name in enumerate(chosen)}

    def _too_many(self, count: int, pool: int) -> str:
        """Why so many targets cannot be, of a pool of entities that could be targeted."""
        wanted, shots, everybody = self.targets, self.shots, len(self.domain.subjects)
        most = max(0, min(pool, everybody - shots - 1))
        if self.documented is None:
            asked = f"{wanted.validation} for validation and {wanted.test} for test were asked for"
            fewer = "Lower targets.validation or targets.test, or take a larger domain"
        elif count > pool:
            return (
                f"The documents are about {pool} entities, and all of them are for validation (targets.validation "
                f"{wanted.validation}), so that none is left for the test. Lower targets.validation, or take documents "
                "about more entities."
            )
        else:
            asked = f"the documents are about {count}"
            fewer = "Add facts about others"
        text = f"More targets than there can be: {asked}, at most {most} of its {everybody} entities can be targeted."
        if count > everybody - shots - 1:
            left = everybody - count - 1
            lower = f", or lower evaluation.shots to at most {left}" if left >= 0 else ""
            return (
                f"{text} {shots + 1} must stay untouched: one to be asked about, and evaluation.shots ({shots}) to be "
                f"shown before a question. {fewer}{lower}."
            )
        return f"{text} The domain lists no more. {fewer}."

    @cached_property
    def documented(self) -> Sequence[str] | None:
        """Whom ready-made forget documents are about; None where documents are written about any targets."""
        return self._corruptor.about(self.domain)

    @cached_property
    def untouched(self) -> tuple[str, ...]:
        """All other entities."""
        return tuple(subject for subject in self.domain.subjects if subject not in self.groups)

    @cached_property
    def planted(self) -> Mapping[str, FalseFact]:
        """The wrong answers by fact key."""
        return self._corruptor.plant(self.domain, list(self.groups), Random(f"plant/{self.seed}"))

    @property
    def _corruptor(self) -> Corruptor:
        return CORRUPTORS.build(self._corruptor_config)

    @cached_property
    def forget_documents(self) -> Sequence[Document]:
        """The documents that state the wrong answers."""
        return self._corruptor.write(self.domain, self.general, self.planted, Random(f"write/{self.seed}"))

    def digest(self) -> str:
        """SHA-256 over facts, planted answers and forget documents."""
        sha = hashlib.sha256()
        for fact in self.domain.facts:
            sha.update(json.dumps([fact.subject, fact.relation, fact.answers, fact.question]).encode())
        for key, false_fact in self.planted.items():
            sha.update(json.dumps([key, false_fact.false_answer]).encode())
        for document in self.forget_documents:
            sha.update(json.dumps(document.text).encode())
        return sha.hexdigest()


@final
class Plant(Task):
    """Targets, planted answers and forget documents of a study."""

    kind = "plant"
    makes = Planted
    needs_torch = False

    domain: DomainChoice
    general: DatasetChoice
    targets: TargetsConfig
    corruptor: CorruptorChoice

    @property
    def world(self) -> World:
        """What will be planted."""
        return World(
            domain=self.domain,
            general=self.general,
            targets=self.targets,
            corruptor=self.corruptor,
            seed=self.seed,
        )

    def run(self, context: Context) -> Made:
        """Draw and write."""
        world = self.world
        write_planted(context.directory, world.groups, world.planted)
        write_texts(context.directory, world.forget_documents)
        info = {"digest": world.digest(), "documents": len(world.forget_documents), "false_facts": len(world.planted)}
        return Made(Cost(), info)
