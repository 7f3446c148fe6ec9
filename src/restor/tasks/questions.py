"""What models are asked: few-shot questions about targets and others. Torch-free."""

from __future__ import annotations

from typing import final

from restor.domains.base import DOMAINS, DomainChoice
from restor.evaluation.ask.fewshot import build_queries
from restor.evaluation.ask.protocol import Asking
from restor.results import Cost
from restor.tasks.base import Context, Made, Planted, Questions, Ref, Task
from restor.tasks.inputs.products import read_planted, read_targets, write_questions


@final
class WriteQuestions(Task):
    """Questions about the targets, and about entities that nobody touched."""

    kind = "questions"
    makes = Questions
    needs_torch = False

    domain: DomainChoice
    planted: Ref[Planted]
    asking: Asking
    unplanted: bool = False
    """Whether facts about targets without a planted answer are asked too."""
    hides_nobody: bool = False
    """Whether prompts may show targets."""

    def run(self, context: Context) -> Made:
        """Choose and write."""
        folder = context.folder(self.planted)
        queries = build_queries(
            DOMAINS.build(self.domain),
            read_planted(folder),
            read_targets(folder),
            self.asking,
            seed=self.seed,
            unplanted=self.unplanted,
            hidden=() if self.hides_nobody else None,
        )
        write_questions(context.directory, queries)
        return Made(Cost(), {"questions": len(queries)})
