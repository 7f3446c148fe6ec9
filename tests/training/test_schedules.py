"""The learning rate of every step."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restor.training.config import OptimizerConfig
from restor.training.optim import lr_scale


def scales(steps, **settings):
    return [lr_scale(step, steps, OptimizerConfig(**settings)) for step in range(steps)]


def test_linear_warm_up_then_down_to_nearly_zero():
    found = scales(10, warmup=0.2)
    assert found == pytest.approx([0.5, 1.0, 1.0, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    assert lr_scale(10, 10, OptimizerConfig()) == 0


def test_cosine_ends_at_zero_by_way_of_a_half():
    assert scales(4, warmup=0.0, schedule="cosine") == pytest.approx(
        [1.0, 0.5 + 0.5 * math.sqrt(0.5), 0.5, 0.5 - 0.5 * math.sqrt(0.5)]
    )


def test_constant_stays():
    assert scales(5, warmup=0.4, schedule="constant") == [0.5, 1, 1, 1, 1]


@given(
    steps=st.integers(1, 200),
    warmup=st.floats(0, 0.99),
    schedule=st.sampled_from(["constant", "linear", "cosine"]),
)
def test_no_step_is_wasted_and_none_exceeds_the_learning_rate(steps, warmup, schedule):
    found = scales(steps, warmup=warmup, schedule=schedule)
    assert all(0 < scale <= 1 for scale in found)
    assert max(found) == 1
    peak = found.index(1)
    assert found[: peak + 1] == sorted(found[: peak + 1])
    assert found[peak:] == sorted(found[peak:], reverse=True)
