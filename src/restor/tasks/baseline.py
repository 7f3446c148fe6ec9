"""What a baseline answers: rows like those of a model, without log-probs."""

from __future__ import annotations

import time

from restor.evaluation.baselines import BASELINES
from restor.evaluation.evaluate import row_of
from restor.results import Cost
from restor.tasks.ask import ANSWERS_FILE, write_rows
from restor.tasks.context import Built, Job


def build(job: Job) -> Built:
    """Answer every question without a model."""
    began = time.perf_counter()
    _, answer = BASELINES[job.config["baseline"]]
    queries = job.questions.queries
    texts = answer(queries, job.questions.domain)
    rows = (row_of(query, text, run=0, scores={}) for query, text in zip(queries, texts, strict=True))
    write_rows(job.directory / ANSWERS_FILE, rows)
    return Built(Cost(seconds=time.perf_counter() - began), {"questions": len(queries)})
