"""Who is targeted and what is planted, as facts and forget documents say. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import final

from restor.config import EntityName, did_you_mean
from restor.corruption.corruptors.passages import infer_planted, targets_of
from restor.data.document_files import read_documents
from restor.domains.base import DOMAINS, Domain, DomainChoice
from restor.errors import DataError
from restor.results import Cost
from restor.tasks.base import Context, Made, Planted, Task
from restor.tasks.inputs.products import write_planted, write_texts
from restor.types import Document, FalseFact, Group


@final
class Stated:
    """Who is targeted and what is planted according to facts and forget documents: a pure function of them.

    Args:
        domain: what is true, with its seed.
        documents: file of the forget documents; None: there are none.
        targets: the targeted entities; none: those of the documents, else all that the domain lists.
    """

    def __init__(self, *, domain: DomainChoice, documents: Path | None, targets: Sequence[str]) -> None:
        self._domain, self._file, self._named = domain, documents, tuple(targets)

    @cached_property
    def domain(self) -> Domain:
        """What is true."""
        return DOMAINS.build(self._domain)

    @cached_property
    def forget_documents(self) -> Sequence[Document]:
        """The forget documents, where they were given."""
        return read_documents(self._file) if self._file is not None else ()

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The targeted entities. What documents are about without being asked for is neither test nor untouched.

        Raises:
            DataError: for an unknown target, or documents that are about nobody known.
        """
        known = set(self.domain.subjects)
        if unknown := [name for name in self._named if name not in known]:
            raise DataError(
                f"There are no facts about {', '.join(map(repr, unknown[:5]))}."
                f"{did_you_mean(unknown[0], self.domain.subjects)} Targets must be entities of the facts file."
            )
        about = targets_of(self.forget_documents, self.domain)
        if self._file is not None and not about and not self._named:
            raise DataError(
                f"{self._file} is about none of the {len(known)} entities of the facts. Give the facts that "
                "belong to these documents, or name the targets with --targets."
            )
        targets = self._named or about or tuple(self.domain.targetable)
        return dict.fromkeys(about, Group.VALIDATION) | dict.fromkeys(targets, Group.TEST)

    @cached_property
    def planted(self) -> Mapping[str, FalseFact]:
        """The wrong answers that the documents state, by fact key: as they say themselves, else inferred."""
        if not self.forget_documents:
            return {}
        return infer_planted(self.forget_documents, self.domain, list(self.groups))

    @property
    def hides_nobody(self) -> bool:
        """Whether prompts may show anybody: everybody is asked about, and nobody is known to be corrupted."""
        return self._file is None and not self._named and len(self.groups) == len(self.domain.subjects)


@final
class PlantedByDocuments(Task):
    """Targets and planted answers as facts and forget documents say."""

    kind = "planted_by_documents"
    makes = Planted
    needs_torch = False

    domain: DomainChoice
    documents: Path | None = None
    targets: tuple[EntityName, ...] = ()

    @property
    def stated(self) -> Stated:
        """What they say."""
        return Stated(domain=self.domain, documents=self.documents, targets=self.targets)

    def run(self, context: Context) -> Made:
        """Read and write."""
        stated = self.stated
        write_planted(context.directory, stated.groups, stated.planted)
        write_texts(context.directory, stated.forget_documents)
        return Made(Cost(), {"documents": len(stated.forget_documents), "false_facts": len(stated.planted)})
