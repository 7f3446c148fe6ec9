"""True facts about whom forget documents tell of. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

from restor.corruption.corruptors.passages import targets_of
from restor.domains.base import Domain
from restor.types import Document, Fact


def facts_about_targets(documents: Sequence[Document], domain: Domain) -> list[Fact]:
    """All facts that a domain has about the entities that documents are about, entity by entity."""
    return [fact for name in targets_of(documents, domain) for fact in domain.facts_about(name)]
