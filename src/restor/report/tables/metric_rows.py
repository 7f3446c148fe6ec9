"""The figures of arms as plain rows, shared by CSV and data frames: numbers as they are stored, texts as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from restor.report.tables.efficiency import per_restoration
from restor.report.words.paired_tests import p_holm
from restor.results import Arm, MetricInfo, PairedTest, Results, Value
from restor.types import Budget

ARM_COLUMNS = (
    *("id", "label", "arm", "kind", "algorithm", "hyperparameters", "retain", "recovered", "seeds", "budget"),
    "verdict",
)
"""What a row says of its arm."""

VALUE_COLUMNS = ("value", "ci_low", "ci_high", "n", "n_entities", "n_unscored", "note")
"""What it says of a figure: the fields of `Value`."""

COST_COLUMNS = ("seconds", "steps", "tokens", "peak_memory_mb", "flops")
"""What making the arm's model took."""

DERIVED_COLUMNS = ("seconds_per_restoration", "tokens_per_restoration", "flops_per_restoration")
"""What a whole restoration would cost at the arm's rate; empty where none is shown."""

TEST_COLUMNS = ("p_holm_control", "p_holm_ideal", "p_holm_corrupted")
"""p of the paired tests, corrected by Holm; against controls that of the one that is hardest to be above."""

FIGURE_COLUMNS = (
    *("study", *ARM_COLUMNS, *TEST_COLUMNS, *COST_COLUMNS, *DERIVED_COLUMNS),
    *("figure", "unit", *VALUE_COLUMNS),
)
"""The columns of a row of one arm and figure."""

PAIRED_ROW = ("study", "id", "label", "retain", *PairedTest.model_fields)
"""The columns of a row of one arm and another one that it is tested against."""

PART_ROW = ("study", "id", "label", "retain", "by", "name", "order", *VALUE_COLUMNS)
"""The columns of a row of one arm and one part of the facts."""


def described(results: Results, arms: Sequence[Arm]) -> dict[str, MetricInfo | None]:
    """Every figure that the results describe, and after them those that an arm has without; stored-only ones too."""
    infos: dict[str, MetricInfo | None] = {figure.name: figure for figure in results.figures}
    for arm in arms:
        for name in arm.metrics:
            infos.setdefault(name, None)
    return infos


def arm_row(arm: Arm) -> dict[str, Any]:
    """The columns of a row that no figure decides. `budget` is empty text for none, None where it is unknown."""
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
        **{name: p_holm(arm, name.removeprefix("p_holm_")) for name in TEST_COLUMNS},
        **{name: getattr(arm.cost, name) for name in COST_COLUMNS},
        "seconds_per_restoration": per_restoration(arm, arm.cost.seconds),
        "tokens_per_restoration": per_restoration(arm, arm.cost.tokens),
        "flops_per_restoration": per_restoration(arm, arm.cost.flops),
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


def paired_rows(results: Results) -> Iterator[dict[str, Any]]:
    """One row per pooled arm and paired test, with `PAIRED_ROW`."""
    for arm in results.summary:
        for test in arm.tests:
            yield {**_named(results, arm), **test.model_dump()}


def part_rows(results: Results) -> Iterator[dict[str, Any]]:
    """One row per pooled arm and part of the facts, with `PART_ROW`."""
    for arm in results.summary:
        for by, parts in arm.parts.items():
            for part in parts:
                value = {column: getattr(part.restoration, column) for column in VALUE_COLUMNS}
                yield {**_named(results, arm), "by": by, "name": part.name, "order": part.order, **value}


def _named(results: Results, arm: Arm) -> dict[str, Any]:
    return {"study": results.study.id, "id": arm.id, "label": arm.label, "retain": arm.retain}
