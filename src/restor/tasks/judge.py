"""What stored answers are: `verdicts.parquet`, one row per answer, in their order."""

from __future__ import annotations

import time
from dataclasses import asdict

import pyarrow as pa
import pyarrow.parquet as pq

from restor.evaluation.judges.base import JUDGES, JudgeConfig, judged, with_values
from restor.results import Cost
from restor.tasks.ask import ANSWERS_FILE
from restor.tasks.context import Built, Job
from restor.tasks.local_chat import build_judge
from restor.types import Completion, Judgement

VERDICTS_FILE = "verdicts.parquet"
VERDICTS = pa.schema([("judgement", pa.string()), ("reason", pa.string())])


def build(job: Job) -> Built:
    """Judge and store. No model is loaded, but for a judge that asks one on this machine."""
    began = time.perf_counter()
    config = JUDGES.parse(job.config["judge"])
    assert isinstance(config, JudgeConfig)
    asked = {query.fact.key: query for query in job.questions.queries}
    table = pq.read_table(job.parents["answers"] / ANSWERS_FILE, columns=["subject", "relation", "completion"])
    subjects, relations, texts = (column.to_pylist() for column in table.columns)
    keys = (f"{subject}|{relation}" for subject, relation in zip(subjects, relations, strict=True))
    completions = [Completion(asked[key], text) for key, text in zip(keys, texts, strict=True)]
    judge = build_judge(config, device=job.device, content=job.config.get("content"))
    total = len(completions)
    verdicts = judged(judge, with_values(completions), lambda done: job.progress.advance(done, total, None))
    rows = [{"judgement": item.judgement.value, "reason": item.reason} for item in verdicts]
    pq.write_table(pa.Table.from_pylist(rows, schema=VERDICTS), job.directory / VERDICTS_FILE)
    unscored = sum(item.judgement is Judgement.UNSCORED for item in verdicts)
    usage = None if judge.usage is None else asdict(judge.usage)
    info = {"answers": len(verdicts), "unscored": unscored, "usage": usage}
    return Built(Cost(seconds=time.perf_counter() - began), info)
