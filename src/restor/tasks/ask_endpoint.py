"""What a served model answers: rows like those of a model on this machine, without log-probs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, final

from restor.evaluation.ask.endpoint import EndpointAsker, EndpointRef, Served
from restor.evaluation.ask.protocol import Asking
from restor.results import Cost
from restor.tasks.asking.answer_rows import ANSWERS_FILE, write_rows
from restor.tasks.base import Answers, Context, Made, Questions, Ref, Task
from restor.tasks.inputs.products import read_questions

if TYPE_CHECKING:
    from restor.evaluation.ask.endpoint import EndpointAnswer
    from restor.evaluation.ask.evaluation import Row


@final
class AskEndpoint(Task):
    """Asks a served model; the answers so far survive a kill."""

    kind = "ask_endpoint"
    makes = Answers
    needs_torch = False
    outside_key = frozenset({"endpoint"})

    questions: Ref[Questions]
    asking: Asking
    served: Served
    """What the server says of the model."""
    extra: dict[str, Any]
    """Further fields of each request."""
    endpoint: EndpointRef
    """Where it is."""

    def run(self, context: Context) -> Made:
        """Ask and store."""
        from restor.evaluation.ask.sampling import Sampling

        began = time.perf_counter()
        asker = EndpointAsker(
            self.endpoint,
            self.served,
            max_new_tokens=self.asking.max_new_tokens,
            sampling=Sampling.of(self.asking, self.seed),
            kept=context.resume,
        )
        queries = read_questions(context.folder(self.questions))
        total = len(queries) * self.asking.answers
        answers = asker.ask(queries, lambda done: context.progress.advance(done, total, None))
        write_rows(context.directory / ANSWERS_FILE, _rows(answers))
        info = {"questions": len(queries), "endpoint": self.endpoint.endpoint(), "usage": asdict(asker.usage)}
        return Made(Cost(seconds=time.perf_counter() - began), info)


def _rows(answers: Iterable[EndpointAnswer]) -> Iterator[Row]:
    from restor.evaluation.ask.evaluation import row_of

    for answer in answers:
        yield row_of(answer.query, answer.text, run=answer.run, scores={})
