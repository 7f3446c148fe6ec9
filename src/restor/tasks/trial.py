"""One point of a grid: trained once and looked at on the way. Leaves `trace.json`, and no model."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from restor.errors import ConfigError, DataError, TrainingError
from restor.evaluation.config import EvaluationConfig
from restor.tasks.base import Context, Made, Questions, Ref, Task, Trace
from restor.tasks.inputs.products import read_questions
from restor.tasks.unlearn import Unlearn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from restor.training.loop import TrainingLog


@final
class TryPoint(Task):
    """Unlearns as an arm would, and asks the validation facts on the way."""

    kind = "trial"
    makes = Trace

    unlearning: Unlearn
    """What would make the arm's model."""
    questions: Ref[Questions]
    evaluation: EvaluationConfig
    """How they are asked and judged."""

    def run(self, context: Context) -> Made:
        """Train, look and write.

        Raises:
            TrainingError: if the arm cannot be made here, so that the other arms go on. That is no finding about the
                point: it is tried again the next time.
        """
        from restor.selection.validation import Validation
        from restor.tasks.training.watching import Watch, watched

        key = f"validation questions/{self.questions.key}"
        if key not in context.memo:
            queries = read_questions(context.folder(self.questions))
            context.memo[key] = Validation(queries, self.evaluation)
        watch = Watch(context, context.memo[key], of=self.unlearning.corrupted.key)

        def run() -> tuple[PreTrainedModel, TrainingLog]:
            model, tokenizer = self.unlearning.load(context)
            try:
                model, log, _ = self.unlearning.unlearned(context, model, tokenizer, watch.begin)
            except (ConfigError, DataError) as error:
                raise TrainingError(str(error)) from error
            return model, log

        return watched(context, watch, run)
