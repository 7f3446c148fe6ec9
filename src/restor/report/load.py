"""Stored results, read and checked: everything the report shows passes through here."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import ValidationError

from restor.errors import DataError
from restor.results import FACT_COLUMNS, LATER_COLUMNS, RESULTS_FORMAT, Arm, Results
from restor.types import Group, Judgement

if TYPE_CHECKING:
    import pyarrow

RESULTS_FILE = "results.json"
FACTS_FILE = "facts.parquet"

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_AGAIN = "Run the study again to write it anew: what is finished is kept."


def load_results(path: Path) -> Results:
    """The results of a study, from its folder or its results.json.

    Raises:
        DataError: if the file is missing, cut short, of another format, has a number that is none, or has no arms.
    """
    file = path / RESULTS_FILE if path.is_dir() else path
    raw = _read_json(file)
    if not isinstance(raw, dict) or "format" not in raw:
        raise DataError(f"{file} is not a results file: it has no `format`. Give a study folder or its {RESULTS_FILE}.")
    if raw["format"] != RESULTS_FORMAT:
        raise DataError(
            f"{file} has results format {raw['format']!r}; this version of restor reads format {RESULTS_FORMAT}. "
            "Use the version of restor that wrote it, or run the study again."
        )
    try:
        results = Results.model_validate(raw)
    except ValidationError as error:
        raise DataError(f"{file} does not hold what a results file must: {_reasons(error)}. {_AGAIN}") from error
    for name, arms in (("arms", results.arms), ("summary", results.summary)):
        if not arms:
            raise DataError(f"{file} has no arms: `{name}` is empty, so there is nothing to report. {_AGAIN}")
        twice = [arm_id for arm_id, count in Counter(arm.id for arm in arms).items() if count > 1]
        if twice:
            raise DataError(f"{file} names {twice[0]!r} more than once in `{name}`; an id must be unique. {_AGAIN}")
    return results


def load_facts(path: Path) -> pyarrow.Table:
    """The per-fact table of a study, from its folder or its facts.parquet: the columns of `FACT_COLUMNS`, checked.

    Raises:
        DataError: if the file is missing, unreadable, or lacks a column or holds something else in it.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    file = path / FACTS_FILE if path.is_dir() else path
    if not file.is_file():
        raise DataError(f"There is no {file}. Give a study folder or its {FACTS_FILE}. {_AGAIN}")
    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} cannot be read as Parquet: {error}. {_AGAIN}") from error
    schema = _schema()
    for name in LATER_COLUMNS:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, schema.field(name).type))
    missing = [name for name in FACT_COLUMNS if name not in table.column_names]
    if missing:
        raise DataError(f"{file} lacks the column {missing[0]!r}; it needs {', '.join(FACT_COLUMNS)}. {_AGAIN}")
    try:
        table = table.select(list(FACT_COLUMNS)).cast(schema)
        table.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        raise DataError(f"{file} holds values of another type than it must: {error}. {_AGAIN}") from error
    for column, allowed in (("judgement", Judgement), ("group", Group)):
        found = set(pc.unique(table[column]).to_pylist())
        unknown = sorted(str(value) for value in found - {member.value for member in allowed})
        if unknown:
            names = ", ".join(member.value for member in allowed)
            raise DataError(f"{file} has the {column} {unknown[0]!r}; a {column} is one of {names}. {_AGAIN}")
    return table


def summary_ids(results: Results) -> dict[str, str]:
    """Id of every arm, per seed or pooled, -> id of the row of the summary that it belongs to."""
    pooled = {(arm.arm, arm.retain): arm.id for arm in results.summary}
    found = {arm.id: pooled[arm.arm, arm.retain] for arm in results.arms if (arm.arm, arm.retain) in pooled}
    return found | {arm.id: arm.id for arm in results.summary}


def reference(results: Results, name: str) -> Arm | None:
    """The pooled row of the clean, the corrupted or the ideal model, where the study has it."""
    return next((arm for arm in results.summary if arm.arm == name), None)


def _schema() -> pyarrow.Schema:
    import pyarrow as pa

    special = {name: pa.int64() for name in ("seed", "run", "rank_original", "n_candidates", "dose")}
    special |= {name: pa.list_(pa.string()) for name in ("answers", "options")} | {"answer_shown": pa.bool_()}
    special |= {name: pa.list_(pa.float64()) for name in ("option_logprobs", "layers_original", "layers_planted")}
    special |= {name: pa.float64() for name in FACT_COLUMNS if name.startswith("logprob_")}
    return pa.schema([(name, special.get(name, pa.string())) for name in FACT_COLUMNS])


def _read_json(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(f"There is no {file}. Give the folder of a finished study or its {RESULTS_FILE}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}. {_AGAIN}") from error
    if not text.strip():
        raise DataError(f"{file} is empty. {_AGAIN}")

    def refuse(constant: str) -> NoReturn:
        raise DataError(
            f"{file} contains {constant}, which is not a number. An undefined figure is written as null. {_AGAIN}"
        )

    try:
        value = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        # The last line is where a write that stopped half-way ends.
        ended = error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated")
        what = "is cut short" if ended else "is not valid JSON"
        raise DataError(f"{file} {what} at line {error.lineno}, column {error.colno}: {error.msg}. {_AGAIN}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not valid JSON: {error}. {_AGAIN}") from error
    return _mended(value) if "\\ud" in text.lower() else value


def _mended(value: Any) -> Any:
    """Half characters, which no file can be written with, become the replacement sign."""
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_LONE_SURROGATE.sub("\ufffd", key): _mended(item) for key, item in value.items()}
    return value


def _reasons(error: ValidationError) -> str:
    found = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
    return "; ".join(found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
