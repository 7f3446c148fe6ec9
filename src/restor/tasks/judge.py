"""What stored answers are: `verdicts.parquet`, one row per answer, in their order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import final

import pyarrow as pa
import pyarrow.parquet as pq

from restor.evaluation.judges.base import JUDGES, Judge, JudgeChoice, judged, with_values
from restor.results import Cost
from restor.tasks.asking.answer_rows import ANSWERS_FILE
from restor.tasks.base import Answers, Context, Made, Questions, Ref, Task, Verdicts
from restor.tasks.inputs.products import read_questions
from restor.types import Completion, Judgement, Verdict

VERDICTS_FILE = "verdicts.parquet"
VERDICTS = pa.schema(
    [("judgement", pa.string()), ("reason", pa.string()), ("score", pa.float64()), ("planted_score", pa.float64())]
)


@final
class JudgeAnswers(Task):
    """Judges stored answers without a model on this machine."""

    kind = "judge"
    makes = Verdicts
    needs_torch = False

    answers: Ref[Answers]
    questions: Ref[Questions]
    judge: JudgeChoice

    def run(self, context: Context) -> Made:
        """Judge and store."""
        return store_verdicts(context, JUDGES.build(self.judge), answers=self.answers, questions=self.questions)


def verdict_table(verdicts: Sequence[Verdict]) -> pa.Table:
    """Verdicts as the columns of `VERDICTS`."""
    rows = [{name: getattr(item, name) for name in VERDICTS.names} for item in verdicts]
    return pa.Table.from_pylist(rows, schema=VERDICTS)


def store_verdicts(context: Context, judge: Judge, *, answers: Ref[Answers], questions: Ref[Questions]) -> Made:
    """Judge stored answers and write the verdicts."""
    began = time.perf_counter()
    asked = {query.fact.key: query for query in read_questions(context.folder(questions))}
    columns = ["subject", "relation", "completion"]
    table = pq.read_table(context.folder(answers) / ANSWERS_FILE, columns=columns)
    subjects, relations, texts = (column.to_pylist() for column in table.columns)
    keys = (f"{subject}|{relation}" for subject, relation in zip(subjects, relations, strict=True))
    completions = [Completion(asked[key], text) for key, text in zip(keys, texts, strict=True)]
    total = len(completions)
    verdicts = judged(judge, with_values(completions), lambda done: context.progress.advance(done, total, None))
    pq.write_table(verdict_table(verdicts), context.directory / VERDICTS_FILE)
    unscored = sum(item.judgement is Judgement.UNSCORED for item in verdicts)
    usage = None if judge.usage is None else asdict(judge.usage)
    info = {"answers": len(verdicts), "unscored": unscored, "usage": usage}
    return Made(Cost(seconds=time.perf_counter() - began), info)
