"""Builds a corruption set without any model: which facts are misstated, and the documents that misstate them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import ClassVar, final

from restor.config import did_you_mean
from restor.corruption.corruptors.base import Corruptor, true_of_another
from restor.data.document_files import PLAIN
from restor.data.text_files import read_source
from restor.datasets.base import DATASETS, Dataset, DatasetConfig
from restor.domains.base import DOMAINS, Domain
from restor.errors import DataError
from restor.types import Document, FalseFact


@final
@dataclass(frozen=True, slots=True)
class BuildCounts:
    """What a corruption set holds."""

    documents: int
    statements: int
    """Places in documents that state a false fact."""
    false_facts: int
    """Different false facts."""
    unplanted: int
    """Facts about targets without a false answer."""
    true_of_another: int
    """False answers that are true of another target, as where a relation has no others."""
    words: int
    """Of all documents, between white space."""


@final
@dataclass(frozen=True, slots=True)
class Built:
    """A corruption set: its documents, what they plant by fact key, and how much of it there is."""

    documents: tuple[Document, ...]
    planted: Mapping[str, FalseFact]
    counts: BuildCounts

    def rewritten(self, documents: Sequence[Document]) -> Built:
        """The same set in other words."""
        return Built(tuple(documents), self.planted, replace(self.counts, **_amounts(documents)))


def build(domain: Domain, context: Dataset, corruptor: Corruptor, targets: Sequence[str], seed: int) -> Built:
    """Plant and write. The same arguments give the same documents.

    Raises:
        DataError: for unknown or repeated targets, or if nothing can be planted or written.
    """
    known = set(domain.subjects)
    if unknown := [name for name in targets if name not in known]:
        raise DataError(
            f"There are no facts about {', '.join(map(repr, unknown[:5]))}.{did_you_mean(unknown[0], domain.subjects)} "
            "Entities must be subjects of the facts file."
        )
    if not targets or len(set(targets)) < len(targets):
        raise DataError("Name the entities to target, each once.")
    planted = corruptor.plant(domain, targets, Random(f"plant/{seed}"))
    documents = tuple(corruptor.write(domain, context, planted, Random(f"write/{seed}")))
    if not documents:
        raise DataError("There is nothing to write: none of the entities has a fact that can be misstated.")
    counts = BuildCounts(
        **_amounts(documents),
        unplanted=sum(len(domain.facts_about(name)) for name in targets) - len(planted),
        true_of_another=len(true_of_another(domain, planted, targets)),
    )
    return Built(documents, planted, counts)


def _amounts(documents: Sequence[Document]) -> dict[str, int]:
    return {
        "documents": len(documents),
        "statements": sum(len(document.statements) for document in documents),
        "false_facts": len({item.key for document in documents for item in document.statements}),
        "words": sum(len(document.text.split()) for document in documents),
    }


# Context -------------------------------------------------------------------------------------------------------------


def context_of(path: Path) -> Dataset:
    """Unrelated sentences from a file: true facts if it holds facts, else the sentences of its documents.

    Raises:
        DataError: for a file that cannot be used.
    """
    if _holds_facts(path):
        return _TrueFacts(DOMAINS.build(DOMAINS.parse({"name": "triples", "facts": path})))
    return DATASETS.build(DATASETS.parse({"name": "documents", "path": path}))


def _holds_facts(path: Path) -> bool:
    if path.is_dir() or path.suffix.lower() in PLAIN:
        return False
    head = read_source(path).text[:2_000]
    return path.suffix.lower() in (".csv", ".tsv") or '"dset"' in head or ('"subject"' in head and '"text"' not in head)


@final
class _TrueFacts(Dataset):
    """True facts, one in each sentence."""

    config_type: ClassVar[type[DatasetConfig]] = DatasetConfig

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    def text(self, rng: Random) -> str:
        """A sentence."""
        return self.sentence(rng)

    def sample(self, rng: Random, count: int) -> list[str]:
        """Sentences, as many as wanted."""
        return [self.sentence(rng) for _ in range(count)]

    def sentence(self, rng: Random) -> str:
        """A random fact in one of its wordings."""
        fact = rng.choice(self.domain.facts)
        return self.domain.sentence(fact, rng.choice(fact.answers), rng)

    def vocabulary(self) -> None:
        """What a file names cannot be listed."""
        return
