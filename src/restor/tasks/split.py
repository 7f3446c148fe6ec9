"""Some of the targets of forget documents set apart: their facts decide a selection. Torch-free."""

from __future__ import annotations

from typing import final

from pydantic import Field

from restor.domains.base import DOMAINS, DomainChoice
from restor.results import Cost
from restor.selection.split import split_targets
from restor.tasks.base import Context, Made, Planted, Ref, Task, Texts
from restor.tasks.inputs.products import read_texts, write_planted, write_texts


@final
class SplitTargets(Task):
    """Finds out who is targeted and what is planted, and sets some of the targets apart."""

    kind = "split"
    makes = Planted
    needs_torch = False

    domain: DomainChoice
    forget: Ref[Texts]
    share: float = Field(gt=0, lt=1)
    """Of the targets, those whose facts decide."""

    def run(self, context: Context) -> Made:
        """Split and write."""
        documents = read_texts(context.folder(self.forget))
        split = split_targets(documents, DOMAINS.build(self.domain), self.share, self.seed)
        write_planted(context.directory, split.groups, split.planted)
        write_texts(context.directory, documents)
        return Made(Cost(), {"documents": len(documents), "false_facts": len(split.planted)})
