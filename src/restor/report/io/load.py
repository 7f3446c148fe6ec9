"""Stored results, read and checked: everything the report shows passes through here."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import ValidationError

from restor.errors import DataError
from restor.faults import reading
from restor.report.io.checked import wrong_in_facts, wrong_in_results
from restor.report.plain import one_line
from restor.results import FACT_COLUMNS, RESULTS_FORMAT, Arm, Results
from restor.untrusted import check_depth, read_text

if TYPE_CHECKING:
    import pyarrow

LARGEST = 1e150
"""No figure, cost or loss is larger; its square is still a number."""
_MOST_DIGITS = 18
"""Of a whole number: what 64 bits hold."""

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
    if raw["format"] != RESULTS_FORMAT or isinstance(raw["format"], bool):
        raise DataError(
            f"{file} has results format {one_line(repr(raw['format']))}; this version of restor reads format "
            f"{RESULTS_FORMAT}. {_other_version(raw['format'])}"
        )
    try:
        # As JSON and strictly: neither true nor "0.5" is a figure.
        with reading(file):
            results = Results.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        raise DataError(f"{file} does not hold what a results file must: {_reasons(error)}. {_AGAIN}") from error
    if wrong := wrong_in_results(results):
        raise DataError(f"{file} {one_line(wrong, 300)}. {_AGAIN}")
    return results


def load_study(path: str | Path) -> Results:
    """The results of a study as typed values, from its folder or its results.json.

    Raises:
        DataError: if the file is missing, cut short, of another format, or holds something else.
    """
    return load_results(Path(path))


def load_facts(path: Path) -> pyarrow.Table:
    """The per-fact table of a study, from its folder or its facts.parquet: the columns of `FACT_COLUMNS`, checked.

    Raises:
        DataError: if the file is missing, unreadable, or lacks a column or holds something else in it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = path / FACTS_FILE if path.is_dir() else path
    try:
        if not file.is_file():
            raise DataError(f"There is no {file}. Give a study folder or its {FACTS_FILE}. {_AGAIN}")
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} cannot be read as Parquet: {one_line(str(error), 300)}. {_AGAIN}") from error
    missing = [name for name in FACT_COLUMNS if name not in table.column_names]
    if missing:
        raise DataError(f"{file} lacks the column {missing[0]!r}; it needs {', '.join(FACT_COLUMNS)}. {_AGAIN}")
    try:
        table = table.select(list(FACT_COLUMNS)).cast(_schema())
        table.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        raise DataError(
            f"{file} holds values of another type than it must: {one_line(str(error), 300)}. {_AGAIN}"
        ) from error
    if wrong := wrong_in_facts(table):
        raise DataError(f"{file} {one_line(wrong, 400)}. {_AGAIN}")
    return table


def summary_ids(results: Results) -> dict[str, str]:
    """Id of every arm, per seed or pooled, -> id of the row of the summary that it belongs to."""
    pooled = {(arm.arm, arm.retain): arm.id for arm in results.summary}
    ids = {arm.id: pooled[arm.arm, arm.retain] for arm in results.arms if (arm.arm, arm.retain) in pooled}
    return ids | {arm.id: arm.id for arm in results.summary}


def reference(results: Results, name: str) -> Arm | None:
    """The pooled row of the clean, the corrupted or the ideal model, where the study has it."""
    return next((arm for arm in results.summary if arm.arm == name), None)


def _schema() -> pyarrow.Schema:
    import pyarrow as pa

    special = {name: pa.int64() for name in ("seed", "run", "rank_original", "n_candidates", "dose")}
    special |= {name: pa.list_(pa.string()) for name in ("answers", "options")} | {"answer_shown": pa.bool_()}
    special |= {name: pa.list_(pa.float64()) for name in ("option_logprobs", "layers_original", "layers_planted")}
    special |= {name: pa.float64() for name in FACT_COLUMNS if name.startswith("logprob_") or name.endswith("score")}
    return pa.schema([(name, special.get(name, pa.string())) for name in FACT_COLUMNS])


def _read_json(file: Path) -> Any:
    try:
        text = read_text(file)
    except FileNotFoundError as error:
        raise DataError(f"There is no {file}. Give the folder of a finished study or its {RESULTS_FILE}.") from error
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}. Check the path and its rights.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} cannot be read: {error}. {_AGAIN}") from error
    if not text.strip():
        raise DataError(f"{file} is empty. {_AGAIN}")

    def refuse(constant: str) -> NoReturn:
        raise DataError(
            f"{file} contains {constant}, which is not a number. An undefined figure is written as null. {_AGAIN}"
        )

    try:
        value = json.loads(text, parse_constant=refuse, parse_float=_finite, parse_int=_whole)
        check_depth(value)
    except json.JSONDecodeError as error:
        # The last line is where a write that stopped half-way ends.
        ended = error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated")
        what = "is cut short" if ended else "is not valid JSON"
        raise DataError(f"{file} {what} at line {error.lineno}, column {error.colno}: {error.msg}. {_AGAIN}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not valid JSON: {error}. {_AGAIN}") from error
    return _mended(value) if "\\ud" in text.lower() else value


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number) or abs(number) > LARGEST:
        raise ValueError(f"{one_line(digits, 30)} is too large for a number")
    return number


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"{one_line(digits, 30)} is too large for a number")
    return int(digits)


def _other_version(given: object) -> str:
    """What to do about a file of another version."""
    if isinstance(given, int) and given > RESULTS_FORMAT:
        return "A later version of restor wrote it: upgrade restor."
    return "Use the version of restor that wrote it, or run the study again."


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
    reasons = [f"{one_line('.'.join(map(str, item['loc'])), 120)}: {item['msg']}" for item in error.errors()]
    return "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
