"""`answers.parquet`: one row per question and run, written as rows come."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from restor.evaluation.ask.evaluation import Row

ANSWERS_FILE = "answers.parquet"
ANSWERS = pa.schema(
    [
        ("subject", pa.string()),
        ("relation", pa.string()),
        ("group", pa.string()),
        ("question", pa.string()),
        ("prompt", pa.string()),
        ("answers", pa.list_(pa.string())),
        ("planted", pa.string()),
        ("answer_shown", pa.bool_()),
        ("run", pa.int32()),
        ("completion", pa.string()),
        ("logprob_original", pa.float64()),
        ("logprob_planted", pa.float64()),
        ("logprob_random", pa.float64()),
        ("rank_original", pa.int32()),
        ("n_candidates", pa.int32()),
        ("options", pa.list_(pa.string())),
        ("option_logprobs", pa.list_(pa.float64())),
        ("layers_original", pa.list_(pa.float64())),
        ("layers_planted", pa.list_(pa.float64())),
    ]
)
CHUNK = 4096
"""Rows kept in memory before they are written."""


def write_tables(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write rows as they come, some thousands at a time."""
    waiting: list[pa.Table] = []
    with pq.ParquetWriter(path, ANSWERS) as writer:
        for table in tables:
            waiting.append(table)
            if sum(map(len, waiting)) >= CHUNK:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as they come, some thousands at a time."""
    rows = iter(rows)
    with pq.ParquetWriter(path, ANSWERS) as writer:
        while chunk := list(islice(rows, CHUNK)):
            writer.write_table(pa.Table.from_pylist(chunk, schema=ANSWERS))
