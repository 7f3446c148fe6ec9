"""The figures of arms as plain rows, shared by CSV and data frames: numbers as they are stored, texts as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from restor.results import Arm, Figure, Results, Value
from restor.types import Budget

ARM_COLUMNS = (
    *("id", "label", "arm", "kind", "algorithm", "hyperparameters", "retain", "recovered", "seeds", "budget"),
    "verdict",
)
"""What a row says of its arm."""

VALUE_COLUMNS = ("value", "ci_low", "ci_high", "n", "n_entities", "n_unscored", "note")
"""What it says of a figure: the fields of `Value`."""

COST_COLUMNS = ("seconds", "steps", "tokens", "peak_memory_mb")
"""What making the arm's model took."""

FIGURE_COLUMNS = ("study", *ARM_COLUMNS, *COST_COLUMNS, "figure", "unit", *VALUE_COLUMNS)
"""The columns of a row of one arm and figure."""


def described(results: Results, arms: Sequence[Arm]) -> dict[str, Figure | None]:
    """Every figure that the results describe, and after them those that an arm has without; stored-only ones too."""
    found: dict[str, Figure | None] = {figure.name: figure for figure in results.figures}
    for arm in arms:
        for name in arm.metrics:
            found.setdefault(name, None)
    return found


def arm_row(arm: Arm) -> dict[str, Any]:
    """`ARM_COLUMNS` and `COST_COLUMNS` of an arm. `budget` is empty text for none, None where it is unknown."""
    return {
        "id": arm.id,
        "label": arm.label,
        "arm": arm.arm,
        "kind": arm.kind.value,
        "algorithm": arm.algorithm,
        "hyperparameters": arm.hyperparameters,
        "retain": arm.retain,
        "recovered": arm.recovered,
        "seeds": " ".join(map(str, arm.seeds)),
        "budget": None if arm.budget is None else "".join(item.value for item in Budget if item in arm.budget),
        "verdict": arm.verdict.kind if arm.verdict else None,
        **{name: getattr(arm.cost, name) for name in COST_COLUMNS},
    }


def figure_rows(results: Results, arms: Sequence[Arm]) -> Iterator[dict[str, Any]]:
    """One row per arm and figure, with `FIGURE_COLUMNS`. A figure that an arm lacks has a row that says so."""
    figures = described(results, arms)
    missing = Value(value=None, n=0, note="not measured in this study")
    for arm in arms:
        about = {"study": results.study.id, **arm_row(arm)}
        for name, figure in figures.items():
            value = arm.metrics.get(name, missing)
            yield {
                **about,
                "figure": name,
                "unit": figure.unit if figure else None,
                **{column: getattr(value, column) for column in VALUE_COLUMNS},
            }
