"""What a served model answers: rows like those of a model on this machine, without log-probs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from restor.evaluation.config import EvaluationConfig
from restor.evaluation.endpoint import EndpointAnswer, EndpointAsker, EndpointRef, Served
from restor.evaluation.evaluate import Row, row_of
from restor.evaluation.sampling import Sampling
from restor.results import Cost
from restor.tasks.ask import ANSWERS_FILE, write_rows
from restor.tasks.context import Built, Job


def build(job: Job) -> Built:
    """Ask and store; the answers so far survive a kill."""
    began = time.perf_counter()
    config = EvaluationConfig.model_validate(job.config["evaluation"])
    sampling = Sampling.of(config, job.seed)
    ref = EndpointRef.model_validate(job.config["endpoint"])
    served = Served(**job.config["served"])
    asker = EndpointAsker(ref, served, max_new_tokens=config.max_new_tokens, sampling=sampling, kept=job.resume)
    queries = job.questions.queries
    total = len(queries) * config.answers
    answers = asker.ask(queries, lambda done: job.progress.advance(done, total, None))
    write_rows(job.directory / ANSWERS_FILE, _rows(answers))
    info = {"questions": len(queries), "endpoint": ref.endpoint(), "usage": asdict(asker.usage)}
    return Built(Cost(seconds=time.perf_counter() - began), info)


def _rows(answers: Iterable[EndpointAnswer]) -> Iterator[Row]:
    for answer in answers:
        yield row_of(answer.query, answer.text, run=answer.run, scores={})
