"""What a model in training is asked while hyperparameters are chosen. Torch-free."""

from __future__ import annotations

from typing import final

from restor.domains.base import DOMAINS, DomainChoice
from restor.evaluation.ask.protocol import Asking
from restor.results import Cost
from restor.selection.questions import validation_queries
from restor.tasks.base import Context, Made, Planted, Questions, Ref, Task
from restor.tasks.inputs.products import read_planted, read_targets, write_questions


@final
class WriteValidationQuestions(Task):
    """Questions about validation entities and a seeded sample of untouched ones; none about test entities."""

    kind = "validation_questions"
    makes = Questions
    needs_torch = False

    domain: DomainChoice
    planted: Ref[Planted]
    asking: Asking

    def run(self, context: Context) -> Made:
        """Choose and write."""
        folder = context.folder(self.planted)
        domain = DOMAINS.build(self.domain)
        queries = validation_queries(domain, read_planted(folder), read_targets(folder), self.asking, seed=self.seed)
        write_questions(context.directory, queries)
        return Made(Cost(), {"questions": len(queries)})
