"""What a seed's study is about: the domain, the other family, targets, planted answers and texts. Torch-free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, TypeVar, final

from restor.config import Config
from restor.corruption.corruptors.base import CORRUPTORS, Corruptor
from restor.datasets.base import DATASETS, Dataset
from restor.domains.base import DOMAINS, Domain, biography, question_list
from restor.errors import DataError
from restor.evaluation.fewshot import build_queries
from restor.experiment import ExperimentConfig
from restor.types import Document, FalseFact, Group, Query

SENTENCES = 6
"""Sentences of a biography."""
LINES = 6
"""Lines of a question list: as many as the default few-shot prompt has."""

ConfigT = TypeVar("ConfigT", bound=Config)


def with_seed(config: ConfigT, seed: int) -> ConfigT:
    """A catalogue choice with the study's seed where it has none of its own."""
    if "seed" in type(config).model_fields and config.model_dump()["seed"] is None:
        return config.model_copy(update={"seed": seed})
    return config


def content(config: Config) -> dict[str, Any]:
    """The identity of a catalogue choice: what its files hold counts, not where they are.

    Raises:
        DataError: if a file cannot be read.
    """
    values = config.identity()
    for name in type(config).model_fields:
        path = getattr(config, name)
        if isinstance(path, Path):
            try:
                values[name] = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            except OSError as error:
                raise DataError(
                    f"{path} cannot be read: {error.strerror}. Give the path of an existing file."
                ) from error
    return values


@final
class World:
    """Everything about one seed that needs no model: a pure function of the configuration."""

    def __init__(self, config: ExperimentConfig, seed: int) -> None:
        self.config = config
        self.seed = seed

    @cached_property
    def domain(self) -> Domain:
        """What is true."""
        return DOMAINS.build(with_seed(self.config.domain, self.seed))

    @cached_property
    def general(self) -> Dataset:
        """The other family."""
        return DATASETS.build(with_seed(self.config.general, self.seed))

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The targeted entities: validation and test ones are different.

        Raises:
            DataError: if there are too few entities.
        """
        wanted = self.config.targets
        count = wanted.validation + wanted.test
        pool = list(self.domain.targetable)
        # Some entities must stay untouched, to be asked and to give the demonstrations.
        most = min(len(pool), len(self.domain.subjects) - self.config.evaluation.shots - 1)
        if count > most:
            raise DataError(
                f"More targets than the domain can give: {wanted.validation} for validation and {wanted.test} for "
                f"test were asked for, at most {max(most, 0)} of its {len(self.domain.subjects)} entities can be "
                "targeted. Lower targets.validation or targets.test, or take a larger domain."
            )
        chosen = Random(f"targets/{self.seed}").sample(pool, count)
        return {name: Group.VALIDATION if n < wanted.validation else Group.TEST for n, name in enumerate(chosen)}

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
        return CORRUPTORS.build(self.config.corruption.corruptor)

    @cached_property
    def forget_documents(self) -> Sequence[Document]:
        """The documents that state the wrong answers."""
        return self._corruptor.write(self.domain, self.general, self.planted, Random(f"write/{self.seed}"))

    @cached_property
    def random_documents(self) -> Sequence[Document]:
        """As many true texts about untouched entities: the forget set of the control that forgets at random."""
        rng = Random(f"random documents/{self.seed}")
        write = self.probed(self.untouched)
        return [Document(write(rng)) for _ in self.forget_documents]

    def probed(self, subjects: Sequence[str]) -> Callable[[Random], str]:
        """Writes texts of the probed family about some entities: half biographies, half question lists."""
        domain = self.domain

        def write(rng: Random) -> str:
            if rng.random() < 0.5:
                return biography(domain, rng.choice(subjects), SENTENCES, rng)
            return question_list(domain, subjects, LINES, rng)

        return write

    def stream(self, subjects: Sequence[str]) -> Callable[[Random], str]:
        """Writes the original stream, its probed part restricted to some entities."""
        probed, general, share = self.probed(subjects), self.general, self.config.clean.general_share

        def write(rng: Random) -> str:
            return general.text(rng) if rng.random() < share else probed(rng)

        return write

    def retain_texts(self, kind: str) -> list[str]:
        """Retain text: `unrelated` is the other family, `related` the probed one about untouched entities."""
        rng = Random(f"retain/{kind}/{self.seed}")
        write = self.general.text if kind == "unrelated" else self.probed(self.untouched)
        return [write(rng) for _ in range(self.config.unlearning.retain_texts)]

    def recovery_texts(self, count: int) -> list[str]:
        """Recovery text: the other family, not the retain set's rows."""
        rng = Random(f"recovery/{self.seed}")
        return [self.general.text(rng) for _ in range(count)]

    @cached_property
    def queries(self) -> list[Query]:
        """What every model is asked."""
        return build_queries(self.domain, self.planted, self.groups, self.config.evaluation, seed=self.seed)

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
