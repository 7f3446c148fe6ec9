"""Stored results as pandas data frames. pandas is no dependency: it is imported when a frame is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from restor.errors import RestorError, to_install
from restor.report.io.load import load_facts, load_study
from restor.report.tables.metric_rows import (
    ARM_COLUMNS,
    COST_COLUMNS,
    DERIVED_COLUMNS,
    FIGURE_COLUMNS,
    PAIRED_ROW,
    PART_ROW,
    TEST_COLUMNS,
    arm_row,
    described,
    figure_rows,
    paired_rows,
    part_rows,
)
from restor.results import Arm, Results

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]  # has no types of its own

Rows = Literal["arms", "seeds", "figures", "facts", "tests", "parts"]
_AFTER = (*TEST_COLUMNS, *COST_COLUMNS, *DERIVED_COLUMNS)
"""Columns after the figures."""


def load_results(path: str | Path, rows: Rows = "arms") -> pandas.DataFrame:
    """The results of a study as a pandas data frame, from its folder or its results.json.

    Args:
        path: folder of the study, or its results.json.
        rows: `arms`: one per arm, pooled over the seeds. `seeds`: one per arm and seed. `figures`: one per pooled arm
            and figure. `facts`: one per question, arm, seed and run. `tests`: one per pooled arm and arm that it is
            tested against. `parts`: restoration by relation, entity, confidence and dose.

    Raises:
        DataError: if the files are missing, cut short, or hold something else.
        RestorError: if pandas is not installed, or `rows` is none of these.
    """
    if rows not in get_args(Rows):
        names = ", ".join(f"`{name}`" for name in get_args(Rows))
        raise RestorError(f"A frame has one of the rows {names}; given {rows!r}.")
    pandas = _pandas()
    if rows == "facts":
        path = Path(path)
        folder = path if path.is_dir() or path.suffix == ".parquet" else path.parent
        # Whole numbers that may be missing stay whole numbers.
        whole = {"int64": pandas.Int64Dtype()}
        return load_facts(folder).to_pandas(types_mapper=lambda kind: whole.get(str(kind)))
    results = load_study(path)
    if rows in ("arms", "seeds"):
        return arms_frame(results, results.summary if rows == "arms" else results.arms)
    records, columns = {
        "figures": (figure_rows(results, results.summary), FIGURE_COLUMNS),
        "tests": (paired_rows(results), PAIRED_ROW),
        "parts": (part_rows(results), PART_ROW),
    }[rows]
    return pandas.DataFrame(list(records), columns=list(columns))


def arms_frame(results: Results, arms: Sequence[Arm]) -> pandas.DataFrame:
    """Arms x figures, by the id of the arm: `restoration` is the value, `restoration.ci_low` and `.ci_high` its ends.

    What is undefined is missing; the frame of `figures` has the reason.
    """
    figures = described(results, arms)
    ends = ("ci_low", "ci_high")
    columns = [*ARM_COLUMNS, "seed"]
    for name in figures:
        columns += [_column(name), *(f"{name}.{end}" for end in ends)]
    frame = _pandas().DataFrame([_row(arm) for arm in arms], columns=[*columns, *_AFTER])
    numbers = [column for column in columns[len(ARM_COLUMNS) + 1 :] if column in frame]
    numbers += [*TEST_COLUMNS, "flops", *DERIVED_COLUMNS]
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
    return f"metrics.{figure}" if figure in {*ARM_COLUMNS, *_AFTER, "seed"} else figure


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise RestorError(
            f"A data frame needs the package pandas, which is not installed: {to_install('frames')}. Without it, "
            "restor.load_study gives the same figures as typed values, and restor.report.io.load.load_facts the facts "
            "as a pyarrow table."
        ) from error
    return pandas
