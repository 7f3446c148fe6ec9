"""What stored answers are, judged by a model on this machine."""

from __future__ import annotations

from typing import Any, final

from restor.evaluation.judges.base import JudgeChoice
from restor.tasks.base import Answers, Context, Made, Questions, Ref, Task, Verdicts
from restor.tasks.judge import store_verdicts


@final
class JudgeHere(Task):
    """Judges stored answers with a model on this machine."""

    kind = "judge_here"
    makes = Verdicts

    answers: Ref[Answers]
    questions: Ref[Questions]
    judge: JudgeChoice
    content: dict[str, Any]
    """Digests of the files of that model."""

    def run(self, context: Context) -> Made:
        """Load the model, judge and store."""
        from restor.evaluation.ask.local_chat import build_judge

        judge = build_judge(self.judge, device=context.place, content=self.content)
        return store_verdicts(context, judge, answers=self.answers, questions=self.questions)
