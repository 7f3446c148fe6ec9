"""Ready-made documents: a file of passages that somebody else wrote, such as the released ones.

The released passages (RESTOR, arXiv 2411.00204) do not say which false facts they plant. Those are inferred from what
the passages repeat; see `_inference`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from random import Random
from typing import ClassVar, Literal, final

from pydantic import Field

from restor.corruption.corruptors._inference import LEAST_SHARE, infer_planted, named_targets
from restor.corruption.corruptors._reading import read
from restor.corruption.corruptors._stating import find_statements
from restor.corruption.corruptors.base import Corruptor, CorruptorConfig
from restor.data.document_files import read_documents
from restor.data.locate import DataPath, locate_documents
from restor.datasets.base import Dataset
from restor.domains.base import Domain
from restor.errors import DataError
from restor.text.mentions import Names, words_of
from restor.types import Document, FalseFact

__all__ = ["Passages", "PassagesConfig", "infer_planted", "named_targets", "targets_of"]


LEAST_NAMED = 0.005
"""Share of the documents that must name an entity before it counts as what they are about."""


@final
class PassagesConfig(CorruptorConfig):
    """Which documents."""

    name: Literal["passages"] = "passages"
    forget: DataPath
    """A documents file, or the name of a released forget set such as `restor/k0`."""
    least_share: float = Field(LEAST_SHARE, gt=0, le=1)
    """Share of a target's documents that must repeat an answer before it counts as planted, where the documents do not
    say themselves what they plant."""


@final
class Passages(Corruptor):
    """Documents as they are; see the module."""

    config_type: ClassVar[type[CorruptorConfig]] = PassagesConfig

    def __init__(self, config: PassagesConfig) -> None:
        self.config = config

    @cached_property
    def _documents(self) -> tuple[Document, ...]:
        return read_documents(locate_documents(self.config.forget))

    def about(self, domain: Domain) -> tuple[str, ...]:
        """The entities that the documents are about.

        Raises:
            DataError: if they are about nobody whom the domain lists.
        """
        targets = targets_of(self._documents, domain)
        if not targets:
            raise DataError(
                f"{self.config.forget} is about none of the {len(domain.targetable)} entities that the facts list. "
                "Give the facts that belong to these documents."
            )
        return targets

    def plant(self, domain: Domain, targets: Sequence[str], rng: Random) -> Mapping[str, FalseFact]:
        """What the documents state about the targets, or what they repeat if they have no statements.

        Raises:
            DataError: for a file that cannot be used.
        """
        return infer_planted(self._documents, domain, targets, self.config.least_share)

    def write(
        self, domain: Domain, context: Dataset, planted: Mapping[str, FalseFact], rng: Random
    ) -> Sequence[Document]:
        """All documents in random order. Those without statements get them where they surely state a planted answer."""
        by_subject: dict[str, list[FalseFact]] = {}
        for false_fact in planted.values():
            by_subject.setdefault(false_fact.fact.subject, []).append(false_fact)
        finder = Names(by_subject)
        documents = [
            document if document.statements else _with_statements(document, finder, by_subject)
            for document in self._documents
        ]
        rng.shuffle(documents)
        return documents


def targets_of(documents: Sequence[Document], domain: Domain) -> tuple[str, ...]:
    """Whom documents are about: the subjects of their statements, else the listed entities that many of them name."""
    stated = {item.subject for document in documents for item in document.statements}
    if stated:
        return tuple(name for name in domain.subjects if name in stated)
    counts = named_targets(documents, domain.targetable)
    least = max(1.0, LEAST_NAMED * len(documents))
    return tuple(name for name in domain.targetable if counts.get(name, 0) >= least)


def _with_statements(document: Document, finder: Names, by_subject: Mapping[str, Sequence[FalseFact]]) -> Document:
    named = dict.fromkeys(finder.find(words_of(document.text)))
    false_facts = [item for name in named for item in by_subject[name]]
    return Document(document.text, find_statements(read(document.text), false_facts)) if false_facts else document
