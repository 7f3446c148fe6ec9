"""What a seed's study is about: the domain, the other family, targets, planted answers and texts. Torch-free."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, TypeVar, final

from restor.config import Config
from restor.corruption.corruptors.base import CORRUPTORS, Corruptor
from restor.data.locate import is_released, locate_documents
from restor.datasets.base import DATASETS, Dataset, DatasetConfig
from restor.datasets.hub import pinned
from restor.domains.base import DOMAINS, Domain, biography, question_list
from restor.domains.triples import TriplesConfig, located
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
    """The identity of a catalogue choice: what its files and data sets hold counts, not where they are.

    Raises:
        DataError: if a file cannot be read, or a data set of the hub cannot be found.
    """
    exact: Config = config
    if isinstance(exact, DatasetConfig):
        exact = pinned(exact)
    elif isinstance(exact, TriplesConfig):
        exact = located(exact)
    values = exact.identity()
    for name in type(exact).model_fields:
        path = getattr(exact, name)
        if isinstance(path, Path):
            path = _released(path)
            try:
                values[name] = {"sha256": _digest(path)}
            except OSError as error:
                raise DataError(
                    f"{path} cannot be read: {error.strerror}. Give the path of an existing file."
                ) from error
    return values


class Asked(ABC):
    """What models are asked about."""

    @property
    @abstractmethod
    def domain(self) -> Domain:
        """What is true."""

    @property
    @abstractmethod
    def queries(self) -> Sequence[Query]:
        """What every model is asked."""

    @property
    @abstractmethod
    def forget_documents(self) -> Sequence[Document]:
        """The documents that state wrong answers; none where they are not known."""

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 over the data behind the questions."""


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files. Raises OSError."""
    if not path.is_dir():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    sha = hashlib.sha256()
    for file in sorted(item for item in path.iterdir() if item.is_file()):
        sha.update(json.dumps([file.name, _digest(file)]).encode())
    return sha.hexdigest()


def _released(path: Path) -> Path:
    """The file of released documents for their name, such as `restor/k0`; any other path as it is."""
    return locate_documents(path) if is_released(path) else path


@final
class World(Asked):
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
        about = self.documented
        pool = list(self.domain.targetable if about is None else about)
        count = wanted.validation + wanted.test if about is None else max(len(pool), wanted.validation + 1)
        # Some entities must stay untouched, to be asked and to give the demonstrations.
        if count > min(len(pool), len(self.domain.subjects) - self.config.evaluation.shots - 1):
            raise DataError(self._too_many(count, len(pool)))
        chosen = Random(f"targets/{self.seed}").sample(pool, count)
        return {name: Group.VALIDATION if n < wanted.validation else Group.TEST for n, name in enumerate(chosen)}

    def _too_many(self, count: int, pool: int) -> str:
        """Why so many targets cannot be, of a pool of entities that could be targeted."""
        wanted, shots, everybody = self.config.targets, self.config.evaluation.shots, len(self.domain.subjects)
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

    def truth_texts(self) -> list[str]:
        """As many texts as forget documents that tell the truth about the targets: what only an oracle reads."""
        rng = Random(f"truth/{self.seed}")
        targets = tuple(self.groups)
        write = self.probed(targets)
        # A list may find nothing to ask of a few targets where relations are sparse.
        return [
            write(rng) or biography(self.domain, rng.choice(targets), SENTENCES, rng) for _ in self.forget_documents
        ]

    def stream(self, subjects: Sequence[str]) -> Callable[[Random], str]:
        """Writes the original stream, its probed part restricted to some entities."""
        probed, general, share = self.probed(subjects), self.general, self.config.clean.general_share

        def write(rng: Random) -> str:
            return general.text(rng) if rng.random() < share else probed(rng)

        return write

    def retain_texts(self, kind: str) -> list[str]:
        """Retain text: `unrelated` is the other family, `related` the probed one about untouched entities."""
        rng = Random(f"retain/{kind}/{self.seed}")
        count = self.config.unlearning.retain_texts
        if kind == "unrelated":
            return self.general.sample(rng, count)
        write = self.probed(self.untouched)
        return [write(rng) for _ in range(count)]

    def recovery_texts(self, count: int) -> list[str]:
        """Recovery text: the other family, not the retain set's rows, or a data set of its own."""
        rng = Random(f"recovery/{self.seed}")
        own = self.config.recovery.dataset if self.config.recovery else None
        source = self.general if own is None else DATASETS.build(with_seed(own, self.seed))
        return source.sample(rng, count)

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
