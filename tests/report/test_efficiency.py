"""Cost per restoration, and why there is none."""

from __future__ import annotations

import pytest

from restor.report.tables.efficiency import per_restoration, why_no_rate
from restor.results import Arm, Cost, Value
from restor.types import Kind


def arm(value: float | None, low: float | None, *, kind: Kind = Kind.METHOD, flops: float | None = 8e9) -> Arm:
    figures = {"restoration": Value(value=value, ci_low=low, ci_high=1.0, n=9, note="" if value else "did not bite")}
    cost = Cost(seconds=3.0, tokens=600, flops=flops)
    return Arm(id="a", label="A", arm="a", kind=kind, metrics=figures, cost=cost)


def test_half_a_restoration_at_twice_the_cost() -> None:
    half = arm(0.5, 0.2)
    costs = (half.cost.seconds, half.cost.tokens, half.cost.flops)
    assert [per_restoration(half, cost) for cost in costs] == [6.0, 1200.0, 16e9]
    assert why_no_rate(half, half.cost.flops) == ""


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (arm(0.5, -0.1), "restoration is not shown to be above 0: its interval includes 0 or lies below"),
        (arm(0.5, 0.0), "restoration is not shown to be above 0: its interval includes 0 or lies below"),
        (arm(-0.5, -0.9), "restoration is not shown to be above 0: its interval includes 0 or lies below"),
        (arm(0.5, None), "restoration has no interval"),
        (arm(None, None), "did not bite"),
        (arm(0.5, 0.2, kind=Kind.CONTROL), "only methods restore"),
        (arm(0.5, 0.2, flops=None), "the cost is not known"),
        (arm(0.5, 0.2, flops=0.0), "nothing was spent"),
    ],
)
def test_without_a_shown_restoration_or_a_known_cost_there_is_none_and_the_reason_is_told(given: Arm, why: str) -> None:
    assert per_restoration(given, given.cost.flops) is None
    assert why_no_rate(given, given.cost.flops) == why
