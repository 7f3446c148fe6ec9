"""The rank of the true answer, by hand."""

from __future__ import annotations

import dataclasses

import pytest
from letters import likely, metric, spelt


def test_the_planted_answer_competes():
    """Ranks without it 1, 1, 2 and 4; it is likelier for the second and the fourth: 1, 2, 2 and 5."""
    figures = likely([-1.0] * 4, [-2.0, -0.5, -1.0, -0.5], [1, 1, 2, 4])
    found = metric("rank", spelt("----", figures=figures))
    assert found["rank.first"].value == 0.25
    assert found["rank.reciprocal"].value == pytest.approx((1 + 1 / 2 + 1 / 2 + 1 / 5) / 4)
    assert metric("runner_up", spelt("----", figures=figures))["runner_up"].value == 0.5


def test_untouched_facts_do_not_count():
    seen = [dataclasses.replace(item, logprob_original=-1.0, rank_original=1) for item in spelt("", "oo")]
    arm = spelt("--", figures=likely([-1.0] * 2, [-5.0] * 2, [3, 3]))
    assert metric("rank", [*arm, *seen]) == metric("rank", arm)


def test_without_planted_answers_the_candidates_are_all_there_is():
    figures = [(-1.0, None, None, 1), (-1.0, None, None, 3)]
    found = metric("rank", spelt("--", planted=False, figures=figures))
    assert (found["rank.first"].value, found["rank.reciprocal"].value) == (0.5, pytest.approx(2 / 3))


def test_facts_without_a_rank_are_left_out_and_counted():
    figures = [(-1.0, -2.0, None, 1), (-1.0, -2.0, None, None), (-1.0, -2.0, None, 1), (None, None, None, None)]
    found = metric("rank", spelt("----", figures=figures))["rank.first"]
    assert (found.value, found.n, found.n_unscored) == (1, 2, 2)
    assert metric("rank", spelt("oo"))["rank.first"].note == "no candidates were ranked"
