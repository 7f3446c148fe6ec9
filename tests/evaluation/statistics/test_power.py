"""How many would be needed: components by hand, and the answer checked by simulation."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.statistics.contrast import RESTORATION
from restor.evaluation.statistics.distributions import t_quantile
from restor.evaluation.statistics.estimates import mean, restoration
from restor.evaluation.statistics.power import (
    components,
    needed_for_margin,
    needed_for_width,
    seeds_for_margin,
    seeds_for_width,
    smallest_p,
)

NAN = float("nan")


def drawn(rng, entities, facts, between=1.0, within=1.0):
    return np.concatenate([rng.normal(rng.normal(0, between), within, facts) for _ in range(entities)])


def of(entities, facts):
    return Clusters.of([k // facts for k in range(entities * facts)])


def test_components_by_hand():
    # means 2, 4, 9; MSB = 2 ((2-5)^2 + (4-5)^2 + (9-5)^2) / 2 = 26; MSW = (2 + 8 + 0) / 3
    found = components([1, 3, 2, 6, 9, 9], of(3, 2))
    assert found.within == pytest.approx(10 / 3)
    assert found.between == pytest.approx((26 - 10 / 3) / 2)


def test_the_error_of_the_components_is_that_of_the_mean():
    values = drawn(np.random.default_rng(0), 12, 5)
    found = components(values, of(12, 5))
    assert found.between > 0
    assert found.error(12, 5) == pytest.approx(mean(values, of(12, 5)).error)


def test_one_fact_per_entity_has_all_its_variance_between():
    found = components([1.0, 2.0, 4.0], of(3, 1))
    assert found.within == 0
    assert found.between == pytest.approx(7 / 3)


def test_needed_for_a_width_by_trying_every_number():
    values = drawn(np.random.default_rng(1), 10, 4)
    found = needed_for_width(values, of(10, 4), 0.3)
    parts = components(values, of(10, 4))

    def reach(entities):
        return t_quantile(0.975, entities - 1) * parts.error(entities, 4)

    assert found.entities == next(n for n in range(2, 10_000) if reach(n) <= 0.3)


def test_more_facts_help_only_as_far_as_entities_agree():
    rng = np.random.default_rng(2)
    alike = needed_for_width(drawn(rng, 40, 4, between=0.1), of(40, 4), 0.1)
    assert 4 < alike.facts_per_entity < 100
    apart = needed_for_width(drawn(rng, 40, 4, between=2.0), of(40, 4), 0.1)
    assert apart.facts_per_entity is None
    assert apart.entities > 1000


def test_what_is_there_is_enough_for_a_wide_interval():
    values = drawn(np.random.default_rng(2), 40, 4)
    now = mean(values, of(40, 4))
    found = needed_for_width(values, of(40, 4), 1.001 * (now.high - now.low) / 2)
    assert found.entities <= 40
    assert found.facts_per_entity <= 4


def test_the_number_needed_for_a_margin_has_that_power():
    rng = np.random.default_rng(3)
    pilot = drawn(rng, 2000, 3, between=0.5)
    found = needed_for_margin(pilot, of(2000, 3), 0.3, mean(pilot, of(2000, 3)).error, alpha=0.05)
    assert 20 < found.entities < 80
    clusters, edge = of(found.entities, 3), t_quantile(0.95, found.entities - 1)
    values = [mean(drawn(rng, found.entities, 3, between=0.5) + 0.3, clusters) for _ in range(400)]
    assert np.mean([each.value > edge * each.error for each in values]) == pytest.approx(0.8, abs=0.07)


def test_a_smaller_distance_and_a_larger_error_need_more():
    values = drawn(np.random.default_rng(4), 30, 3)
    error = mean(values, of(30, 3)).error
    at = [needed_for_margin(values, of(30, 3), away, error, alpha=0.05).entities for away in (0.5, 0.4, 0.2)]
    assert at == sorted(at)
    assert at[0] < at[2]
    assert needed_for_margin(values, of(30, 3), 0.5, 2 * error, alpha=0.05).entities > 3 * at[0]


def test_restoration_varies_as_its_influence_does():
    rng = random.Random(0)
    parts = np.array([[float(rng.random() < p) for _ in range(2000)] for p in (0.5, 0.2, 0.9)])
    influence = RESTORATION.influence(parts)
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    assert mean(influence, of(400, 5)).error == pytest.approx(restoration(*parts, of(400, 5)).error, rel=0.02)
    assert np.isnan(RESTORATION.influence(parts[[0, 2, 1]])).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32).map(random.Random))
def test_order_names_and_missing_facts_do_not_matter(rng):
    labels = [rng.randrange(8) for _ in range(50)]
    values = [rng.gauss(label, 2) for label in labels]
    first = components(values, Clusters.of(labels))
    order = rng.sample(range(50), 50)
    again = components([values[k] for k in order] + [NAN], Clusters.of([f"e{labels[k]}" for k in order] + ["gone"]))
    assert (first.between, first.within) == pytest.approx((again.between, again.within))
    assert again.n_entities == first.n_entities


@pytest.mark.parametrize(("values", "labels"), [([], ""), ([NAN], "a"), ([1.0, 2.0], "aa"), ([1.0, 1.0], "ab")])
def test_nothing_follows_from_nothing(values, labels):
    for found in (
        needed_for_width(values, Clusters.of(list(labels)), 0.1),
        needed_for_margin(values, Clusters.of(list(labels)), 0.1, 0.1, alpha=0.05),
    ):
        assert (found.entities, found.facts_per_entity) == (None, None)


@pytest.mark.parametrize("size", [0.0, -1.0, NAN])
def test_sizes_that_mean_nothing_are_refused(size):
    with pytest.raises(ValueError, match="positive"):
        needed_for_width([0.0, 1.0], of(2, 1), size)
    if size <= 0:
        assert needed_for_margin([0.0, 1.0], of(2, 1), size, 0.1, alpha=0.05).entities is None


def test_a_number_that_nobody_has_is_no_number():
    found = needed_for_width([0.0, 1.0, 5.0], of(3, 1), 1e-9)
    assert found.entities is None


def test_seeds_by_trying_every_number():
    values = drawn(np.random.default_rng(5), 12, 4)
    figure = mean(values, Clusters.of([k // 4 for k in range(48)], [k // 16 for k in range(48)]))
    each = figure.error * math.sqrt(3)
    needed = next(n for n in range(2, 10_000) if t_quantile(0.975, n - 1) * each / math.sqrt(n) <= 0.2)
    assert seeds_for_width(figure, 0.2) == needed
    assert seeds_for_width(figure, 1.001 * (figure.high - figure.low) / 2) <= 3
    some, more = (seeds_for_margin(figure, away, alpha=0.05) for away in (0.5, 0.3))
    assert 3 < some < more
    assert seeds_for_margin(figure, 0.0, alpha=0.05) is None


def test_one_seed_or_shared_entities_say_nothing_about_seeds():
    values = drawn(np.random.default_rng(5), 6, 2)
    assert seeds_for_width(mean(values, of(6, 2)), 0.1) is None
    shared = Clusters.of([k % 6 for k in range(12)], [k // 6 for k in range(12)])
    assert seeds_for_width(mean(values, shared), 0.1) is None


@pytest.mark.parametrize(("entities", "expected"), [(0, 1.0), (1, 1.0), (3, 0.25), (1024, 2.0**-1023), (100_000, 0.0)])
def test_the_smallest_p_has_no_number_of_entities_that_it_fails_for(entities, expected):
    assert smallest_p(entities) == expected
