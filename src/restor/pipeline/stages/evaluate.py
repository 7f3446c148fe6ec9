"""What a model answers: `answers.parquet`, one row per question."""

from __future__ import annotations

import time

import pyarrow as pa
import pyarrow.parquet as pq

from restor.evaluation.asking import Plan, prepare
from restor.evaluation.config import EvaluationConfig
from restor.evaluation.evaluate import evaluate
from restor.pipeline.files import sha256_file
from restor.pipeline.stages.common import Built, Job, open_model, peak_memory_mb
from restor.results import Cost

ANSWERS = pa.schema(
    [
        ("subject", pa.string()),
        ("relation", pa.string()),
        ("group", pa.string()),
        ("question", pa.string()),
        ("prompt", pa.string()),
        ("answers", pa.list_(pa.string())),
        ("planted", pa.string()),
        ("completion", pa.string()),
        ("judgement", pa.string()),
        ("reason", pa.string()),
        ("logprob_original", pa.float64()),
        ("logprob_planted", pa.float64()),
        ("logprob_random", pa.float64()),
        ("rank_original", pa.int32()),
        ("n_candidates", pa.int32()),
    ]
)


def build(job: Job) -> Built:
    """Ask, judge and store."""
    began = time.perf_counter()
    config = EvaluationConfig.model_validate(job.config["evaluation"])
    model, tokenizer = open_model(job, "model")
    queries = job.world.queries
    # Every model of a seed has the same tokenizer and is asked the same, so the questions are tokenised once.
    key = f"plan/{sha256_file(job.parents['model'] / 'model' / 'tokenizer.json')}"
    if key not in job.memo:
        job.memo[key] = prepare(tokenizer, queries, batch=config.batch)
    plan: Plan = job.memo[key]
    total = len(queries)
    rows = evaluate(model, tokenizer, plan, config, lambda done: job.progress.advance(done, total, None))
    pq.write_table(pa.Table.from_pylist(rows, schema=ANSWERS), job.directory / "answers.parquet")
    seconds = time.perf_counter() - began
    return Built(Cost(seconds=seconds, peak_memory_mb=round(peak_memory_mb(job.device), 1)), {"questions": total})
