"""Figures as CSV: tidy, one row per arm and figure. Texts are foreign and must not act on a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from restor.report.plain import one_line
from restor.report.tables.metric_rows import FIGURE_COLUMNS, figure_rows
from restor.results import Results

LONGEST = 500
"""Characters of a text that a cell shows."""

_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet takes for the beginning of a formula; some read the wide forms alike."""


def to_csv(results: Results) -> str:
    """The pooled arms of a study: one row per arm and figure, with `FIGURE_COLUMNS`."""
    return write_rows(FIGURE_COLUMNS, figure_rows(results, results.summary))


def write_rows(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows under their heading. None is an empty cell; a number has all its digits."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return file.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = one_line(str(value), LONGEST)
    return f"'{text}" if text.startswith(_FORMULA) else text
