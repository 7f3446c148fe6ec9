"""Equivalence to the ideal by hand, and that few facts, or none that differ, do not prove it too soon."""

from __future__ import annotations

import math
import random
from statistics import mean, stdev

import numpy as np
import pytest

from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.statistics.distributions import t_above
from restor.evaluation.statistics.equivalence import equivalence

NAN = float("nan")
#            six people with one fact each
ARM, CORRUPTED, IDEAL = [1, 1, 1, 0, 1, 0], [0, 0, 0, 0, 1, 0], [1, 1, 1, 1, 1, 0]


def equal(arm, corrupted, ideal, labels=None, margin=0.15):
    clusters = Clusters.of(list(range(len(arm))) if labels is None else labels)
    return equivalence(*(np.array(part, dtype=float) for part in (arm, corrupted, ideal)), clusters, margin)


def test_both_tests_by_hand():
    found = equal(ARM, CORRUPTED, IDEAL, margin=0.3)
    own = stdev(ARM) ** 2 / 6
    for edge, p in ((0.7, found.p_above), (1.3, found.p_below)):
        away = [a - c - edge * (i - c) for a, c, i in zip(ARM, CORRUPTED, IDEAL, strict=True)]
        meant = min((1 + edge * 4) / 6, 5 / 6)  # the accuracy that the hypothesis says
        more = max(0, meant * (1 - meant) / (4 / 6 * 2 / 6) - 1)
        error = max(math.sqrt(stdev(away) ** 2 / 6 + own * more), 1 / 6)  # at least one fact
        assert p == pytest.approx(
            t_above(abs(mean(away)) / error * (1 if edge < 1 else -1) * math.copysign(1, mean(away)), 5)
        )
    assert found.p == max(found.p_above, found.p_below)


def test_an_ideal_from_another_seed_is_equivalent_and_a_corrupted_model_is_not():
    rng = random.Random(0)
    labels = [k // 8 for k in range(160)]
    ideal, again = ([float(rng.random() < 0.98) for _ in labels] for _ in range(2))
    corrupted = [float(rng.random() < 0.2) for _ in labels]
    assert equal(again, corrupted, ideal, labels).p < 0.05
    found = equal(corrupted, corrupted, ideal, labels)
    assert found.p_above > 0.99
    assert found.p_below < 0.01


def test_agreement_on_every_fact_proves_equivalence_of_enough_facts_only():
    for people, expected in ((3, False), (24, True)):
        labels = [k // 4 for k in range(4 * people)]
        ideal = [1.0] * (4 * people)
        found = equal(ideal, [0.0] * (4 * people), ideal, labels)
        assert (found.p < 0.05) is expected
    # no fact differs, so that all error is what an arm at 85 % would have: of 96 facts, one wrong counts at least
    error = math.sqrt((1 / 96) ** 2 * (0.85 * 0.15 / (95 / 96 / 96) - 1))
    assert found.p_above == pytest.approx(t_above(0.15 / error, 23))
    assert found.error == pytest.approx(error)


def test_the_smaller_the_gap_the_more_facts_it_takes():
    labels = [k // 8 for k in range(160)]
    ideal = [1.0] * 160
    ps = [equal(ideal, [float(k % 10 < right) for k in range(160)], ideal, labels).p_above for right in (0, 4, 8)]
    assert ps == sorted(ps)
    assert ps[0] < 0.001 < ps[2]


@pytest.mark.parametrize(
    ("arm", "corrupted", "ideal", "labels"),
    [([], [], [], []), ([NAN], [0], [1], [0]), ([1, 1], [0, 0], [1, 1], [0, 0]), ([1, 1], [1, 1], [1, 0], [0, 1])],
    ids=["no facts", "none scored", "one entity", "nothing to restore"],
)
def test_undefined_is_neither_yes_nor_no(arm, corrupted, ideal, labels):
    found = equal(arm, corrupted, ideal, labels)
    assert (found.p_above, found.p_below, found.p) == (None, None, None)


@pytest.mark.parametrize("margin", [0.0, -1.0, 1.0, math.inf, NAN])
def test_margins_that_mean_nothing_are_refused(margin):
    with pytest.raises(ValueError, match="margin must"):
        equal(ARM, CORRUPTED, IDEAL, margin=margin)
