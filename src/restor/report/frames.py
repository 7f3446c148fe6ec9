"""Stored results as pandas data frames. pandas is no dependency: it is imported when a frame is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from restor.errors import RestorError
from restor.report.load import load_facts, load_results
from restor.report.rows import ARM_COLUMNS, COST_COLUMNS, FIGURE_COLUMNS, arm_row, described, figure_rows
from restor.results import Arm, Results

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]  # has no types of its own

Rows = Literal["arms", "seeds", "figures", "facts"]


def load_frame(path: str | Path, rows: Rows = "arms") -> pandas.DataFrame:
    """The results of a study as a pandas data frame, from its folder or its results.json.

    Args:
        path: folder of the study, or its results.json.
        rows: `arms`: one per arm, pooled over the seeds. `seeds`: one per arm and seed. `figures`: one per pooled arm
            and figure. `facts`: one per question, arm, seed and run.

    Raises:
        DataError: if the files are missing, cut short, or hold something else.
        RestorError: if pandas is not installed, or `rows` is none of these.
    """
    path = Path(path)
    match rows:
        case "arms":
            results = load_results(path)
            return arms_frame(results, results.summary)
        case "seeds":
            results = load_results(path)
            return arms_frame(results, results.arms)
        case "figures":
            results = load_results(path)
            return _pandas().DataFrame(list(figure_rows(results, results.summary)), columns=list(FIGURE_COLUMNS))
        case "facts":
            pandas = _pandas()
            folder = path if path.is_dir() or path.suffix == ".parquet" else path.parent
            # Whole numbers that may be missing stay whole numbers.
            whole = {"int64": pandas.Int64Dtype()}
            return load_facts(folder).to_pandas(types_mapper=lambda kind: whole.get(str(kind)))
    raise RestorError(f"A frame has the rows `arms`, `seeds`, `figures` or `facts`; given {rows!r}.")


def arms_frame(results: Results, arms: Sequence[Arm]) -> pandas.DataFrame:
    """Arms x figures, by the id of the arm: `restoration` is the value, `restoration.ci_low` and `.ci_high` its ends.

    What is undefined is missing; the frame of `figures` has the reason.
    """
    figures = described(results, arms)
    ends = ("ci_low", "ci_high")
    columns = [*ARM_COLUMNS, "seed"]
    for name in figures:
        columns += [_column(name), *(f"{name}.{end}" for end in ends)]
    frame = _pandas().DataFrame([_row(arm) for arm in arms], columns=[*columns, *COST_COLUMNS])
    numbers = [column for column in columns[len(ARM_COLUMNS) + 1 :] if column in frame]
    frame[numbers] = frame[numbers].astype("float64")  # also where no arm has the figure
    frame["seed"] = frame["seed"].astype("Int64")
    return frame.set_index("id")


def _row(arm: Arm) -> dict[str, Any]:
    row = {**arm_row(arm), "seed": arm.seed}
    for name, value in arm.metrics.items():
        row |= {_column(name): value.value, f"{name}.ci_low": value.ci_low, f"{name}.ci_high": value.ci_high}
    return row


def _column(figure: str) -> str:
    """A figure of an installed metric may be called as a column that is there already."""
    return f"metrics.{figure}" if figure in {*ARM_COLUMNS, *COST_COLUMNS, "seed"} else figure


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise RestorError(
            "A data frame needs the package pandas, which is not installed: pip install pandas. Without it, "
            "restor.load_results gives the same figures as typed values, and restor.report.load.load_facts the facts "
            "as a pyarrow table."
        ) from error
    return pandas
