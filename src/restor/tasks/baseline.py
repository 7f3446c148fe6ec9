"""What a baseline answers: rows like those of a model, without log-probs."""

from __future__ import annotations

import time
from typing import final

from restor.domains.base import DOMAINS, DomainChoice
from restor.evaluation.ask.baselines import BASELINES
from restor.results import Cost
from restor.tasks.asking.answer_rows import ANSWERS_FILE, write_rows
from restor.tasks.base import Answers, Context, Made, Questions, Ref, Task
from restor.tasks.inputs.products import read_questions


@final
class AnswerWithoutModel(Task):
    """Answers every question without a model."""

    kind = "baseline"
    makes = Answers
    needs_torch = False

    baseline: str
    """Which: a name of `restor.evaluation.ask.baselines`."""
    domain: DomainChoice
    questions: Ref[Questions]

    def run(self, context: Context) -> Made:
        """Answer and store."""
        from restor.evaluation.ask.evaluation import row_of

        began = time.perf_counter()
        _, answer = BASELINES[self.baseline]
        queries = read_questions(context.folder(self.questions))
        texts = answer(queries, DOMAINS.build(self.domain))
        rows = (row_of(query, text, run=0, scores={}) for query, text in zip(queries, texts, strict=True))
        write_rows(context.directory / ANSWERS_FILE, rows)
        return Made(Cost(seconds=time.perf_counter() - began), {"questions": len(queries)})
