"""What a model answers: `answers.parquet`, one row per question and run, not yet judged."""

from __future__ import annotations

from typing import final

from restor.evaluation.ask.protocol import Asking, Suppress
from restor.tasks.base import Answers, Context, Made, Model, Questions, Ref, Task
from restor.tasks.inputs.products import read_questions


@final
class Ask(Task):
    """Asks a model. Every batch is written as soon as it is answered, so a kill costs what is being asked then."""

    kind = "ask"
    makes = Answers
    shared = True

    model: Ref[Model]
    questions: Ref[Questions]
    asking: Asking
    suppress: Suppress | None = None
    """What an output filter keeps from the answers."""
    full: bool = False
    """Whether the model is asked in float32, unless its dtype was named: the models of a study are compared with each
    other, so all of them are asked in the same."""

    def run(self, context: Context) -> Made:
        """Ask and store."""
        from restor.tasks.asking.batches import Interview, ask_model

        interview = Interview(
            model=context.folder(self.model),
            questions=self.questions,
            queries=read_questions(context.folder(self.questions)),
            asking=self.asking,
            suppress=self.suppress,
            full=self.full,
            seed=self.seed,
        )
        return ask_model(context, interview)
