"""The cost of an arm where parts of it are not known."""

from __future__ import annotations

import pyarrow as pa
import pytest

from restor.results import Cost
from restor.runner.plan import plan_seed
from restor.tasks.tabulation.summary import ArmAnswers, known_sum, mean_cost
from tiny_study import tiny_config


@pytest.mark.parametrize(
    ("stages", "whole"), [([2e9, 1e9], 3e9), ([], 0.0), ([2e9, None], None), ([None], None), ([0.0, 1.0], 1.0)]
)
def test_a_sum_with_an_unknown_part_is_unknown(stages: list[float | None], whole: float | None) -> None:
    assert known_sum(stages) == whole


def test_operations_are_a_mean_over_seeds_and_unknown_where_one_seed_is_of_an_older_version() -> None:
    arm = plan_seed(tiny_config(), 0).arms[0]

    def seed(**cost: float) -> ArmAnswers:
        return ArmAnswers(arm, pa.table({}), (), Cost.model_validate({"seconds": 1.0, "steps": 3, **cost}), ())

    assert mean_cost([seed(flops=4e9), seed(flops=2e9)]).flops == 3e9
    assert mean_cost([seed(flops=4e9), seed()]).flops is None
