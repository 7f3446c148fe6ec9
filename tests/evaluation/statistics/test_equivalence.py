"""Equivalence by hand, and that few facts, or none that differ, do not prove it too soon."""

from __future__ import annotations

import math
import random
from statistics import stdev

import pytest

from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.statistics.distributions import t_above
from restor.evaluation.statistics.equivalence import equivalence
from restor.evaluation.statistics.estimates import difference, mean, restoration

NAN = float("nan")


def alone(n):
    return Clusters.of(list(range(n)))


def test_both_tests_by_hand():
    d = [0.4, -0.2, 0.1, 0.3, -0.1, 0.1]
    error = stdev(d) / math.sqrt(6)
    found = equivalence(mean(d, alone(6)), 0.3)
    assert found.p_above == pytest.approx(t_above((0.1 + 0.3) / error, 5))
    assert found.p_below == pytest.approx(t_above((0.3 - 0.1) / error, 5))
    assert found.p == found.p_below
    assert (found.low, found.high) == pytest.approx((0.1 - 2.015048 * error, 0.1 + 2.015048 * error))


@pytest.mark.parametrize("margin", [0.05, 0.2, 0.28, 0.29, 0.6])
@pytest.mark.parametrize("reference", [-0.2, 0.0, 0.3])
def test_equivalent_is_where_the_interval_lies_within_the_margin(margin, reference):
    d = [0.4, -0.2, 0.1, 0.3, -0.1, 0.1]
    found = equivalence(mean(d, alone(6)), margin, reference=reference)
    assert found.equivalent == (reference - margin < found.low and found.high < reference + margin)


def test_an_ideal_from_another_seed_is_equivalent_and_a_corrupted_model_is_not():
    rng = random.Random(0)
    labels = [k // 8 for k in range(128)]
    ideal, again = ([float(rng.random() < 0.98) for _ in labels] for _ in range(2))
    corrupted = [float(rng.random() < 0.2) for _ in labels]
    clusters = Clusters.of(labels)
    assert equivalence(difference(again, ideal, clusters, shares=True), 0.1).equivalent
    assert equivalence(restoration(again, corrupted, ideal, clusters), 0.1, reference=1).equivalent
    found = equivalence(restoration(corrupted, corrupted, ideal, clusters), 0.1, reference=1)
    assert found.equivalent is False
    assert found.p_above > 0.99
    assert found.p_below < 0.01


def test_agreement_on_every_fact_proves_equivalence_of_enough_facts_only():
    for people, expected in ((3, False), (16, True)):
        labels = [k // 4 for k in range(4 * people)]
        values = [float(k % 3 > 0) for k in range(4 * people)]
        found = equivalence(difference(values, values, Clusters.of(labels), shares=True), 0.1)
        assert found.equivalent is expected
    n = 64
    error = math.sqrt(0.1 * 0.9 / n)
    assert found.p == pytest.approx(t_above(0.1 / error, 15))


def test_the_least_error_counts_entities_that_stand_or_fall_together():
    # one entity of twenty differs, on all its four facts
    ideal = [1.0] * 80
    arm = [0.0] * 4 + [1.0] * 76
    figure = difference(arm, ideal, Clusters.of([k // 4 for k in range(80)]), shares=True)
    assert figure.design_effect == pytest.approx(4 * 20 / 19)
    found = equivalence(figure, 0.2)
    error = math.sqrt(0.2 * 0.8 / 80 * 4 * 20 / 19)
    assert found.p_above == pytest.approx(t_above((0.2 - 0.05) / error, 19))
    assert found.high - found.low == pytest.approx(2 * 1.729133 * error, rel=1e-5)


def test_restoration_and_accuracy_agree_on_a_margin_of_the_same_size():
    rng = random.Random(0)
    labels = [k // 8 for k in range(128)]
    ideal = [1.0] * 128
    corrupted = [float(rng.random() < 0.4) for _ in labels]
    clusters = Clusters.of(labels)
    gap = 1 - sum(corrupted) / 128
    by_accuracy = equivalence(difference(ideal, ideal, clusters, shares=True), 0.1 * gap)
    by_ratio = equivalence(restoration(ideal, corrupted, ideal, clusters), 0.1, reference=1)
    assert by_ratio.p == pytest.approx(by_accuracy.p)


@pytest.mark.parametrize(
    ("values", "entities", "words"),
    [([], "", "no facts"), ([NAN], "a", "none of 1"), ([1.0, 0.5], "aa", "one entity"), ([1.0, 1.0], "ab", "alike")],
)
def test_undefined_is_neither_yes_nor_no(values, entities, words):
    found = equivalence(mean(values, Clusters.of(list(entities))), 0.1)
    assert (found.equivalent, found.p, found.low) == (None, None, None)
    assert words in found.note


def test_a_corruption_that_did_not_bite_proves_nothing():
    ones = [1.0] * 20
    found = equivalence(restoration(ones, ones, ones, Clusters.of([k // 2 for k in range(20)])), 0.1, reference=1)
    assert found.equivalent is None
    assert "did not bite" in found.note


@pytest.mark.parametrize(("margin", "alpha"), [(0.0, 0.05), (-1.0, 0.05), (math.inf, 0.05), (NAN, 0.05), (0.1, 0.5)])
def test_margins_and_levels_that_mean_nothing_are_refused(margin, alpha):
    with pytest.raises(ValueError, match="must"):
        equivalence(mean([0.0, 1.0], alone(2)), margin, alpha=alpha)
