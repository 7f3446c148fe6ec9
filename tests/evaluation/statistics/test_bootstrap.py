"""Draws of entities and seeds, against plain loops and today's figures."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restor.evaluation.metrics import base
from restor.evaluation.statistics.bootstrap import RESAMPLES, Draws, bca, entity_draws, percentile
from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.statistics.contrast import MEAN, RESTORATION
from restor.evaluation.statistics.estimates import mean, restoration
from restor.evaluation.statistics.jackknife import left_out


def facts(rng, entities, seeds=1, crossed=False):
    """Labels and three models' answers, unequally many facts per entity."""
    labels, of_seed = [], []
    for seed in range(seeds):
        for entity in range(entities):
            n = rng.randint(1, 5)
            labels += [f"e{entity}" if crossed else f"e{entity}/s{seed}"] * n
            of_seed += [seed] * n
    answers = [[float(rng.random() < p) for _ in labels] for p in (0.6, 0.2, 0.9)]
    return labels, of_seed, answers


def test_totals_are_sums_and_numbers_of_facts_per_cell():
    clusters = Clusters.of(["b", "a", "b", "a"], [0, 0, 0, 1])
    assert (clusters.n_facts, clusters.n_cells, clusters.n_entities, clusters.n_seeds) == (4, 3, 2, 2)
    assert clusters.crossed
    assert clusters.totals(np.array([[1, 2, 4, 8], [0, 0, 1, 1]])).tolist() == [[5, 1, 2], [2, 0, 1], [8, 1, 1]]


def test_facts_left_out_take_their_entity_along():
    clusters = Clusters.of(["a", "b", "b"], [0, 1, 1]).keep(np.array([False, True, True]))
    assert (clusters.n_facts, clusters.n_entities, clusters.n_seeds) == (2, 1, 1)


@pytest.mark.parametrize("n", [2, 7, 3000])
def test_entities_are_drawn_as_before(n):
    new, old = (np.concatenate(list(made)) for made in (entity_draws(n), base.draws(n)))
    assert (new == old).all()
    assert len(new) == RESAMPLES == base.RESAMPLES


def test_percentile_intervals_are_those_that_studies_have_stored():
    labels, _, (arm, corrupted, ideal) = facts(random.Random(3), 16)
    clusters = Clusters.of(labels)
    found = mean(arm, clusters, method="percentile")
    stored = base.mean_value({(label, str(k)): x for k, (label, x) in enumerate(zip(labels, arm, strict=True))})
    assert (found.value, found.low, found.high) == pytest.approx(
        (stored.value, stored.ci_low, stored.ci_high), abs=1e-12
    )

    ratio = restoration(arm, corrupted, ideal, clusters, method="percentile")
    a, b, d = (base.entity_sums(labels, np.array(part))[0] for part in (arm, corrupted, ideal))

    def old(rows):
        return (a[rows].sum(axis=1) - b[rows].sum(axis=1)) / (d[rows].sum(axis=1) - b[rows].sum(axis=1))

    assert (ratio.low, ratio.high) == pytest.approx(base.interval(old, len(a)), abs=1e-12)


def test_entities_bring_all_their_facts():
    labels, _, (arm, corrupted, ideal) = facts(random.Random(0), 5)
    clusters = Clusters.of(labels)
    drawn = Draws(clusters, 40).sums(clusters.totals(np.array([arm, corrupted, ideal])))
    names = list(dict.fromkeys(labels))
    for row, places in zip(drawn, np.concatenate(list(entity_draws(5, 40))), strict=True):
        chosen = [k for place in places for k, label in enumerate(labels) if label == names[place]]
        expected = [sum(part[k] for k in chosen) for part in (arm, corrupted, ideal)]
        assert row.tolist() == [*expected, len(chosen)]


def test_seeds_are_drawn_first_and_then_as_many_entities_within_each():
    labels = ["a", "b", "c", "d", "e", "f"]
    clusters = Clusters.of(labels, [0, 0, 1, 1, 1, 2])
    weights = Draws(clusters, 4000).sums(np.eye(6))
    by_seed = np.stack([weights[:, :2].sum(axis=1) / 2, weights[:, 2:5].sum(axis=1) / 3, weights[:, 5]], axis=1)
    assert (by_seed == by_seed.round()).all()
    assert (by_seed.sum(axis=1) == 3).all()
    assert np.allclose(weights.mean(axis=0), 1, atol=0.1)
    # of a seed drawn once, either of two entities twice, or both once
    once = weights[by_seed[:, 0] == 1][:, 0]
    assert [np.mean(once == k) for k in range(3)] == pytest.approx([0.25, 0.5, 0.25], abs=0.05)


def test_seeds_that_share_entities_are_drawn_apart_from_them():
    clusters = Clusters.of(["a", "b", "c"] * 2, [0] * 3 + [1] * 3)
    weights = Draws(clusters, 500).sums(np.eye(6)).reshape(500, 2, 3)
    seeds, entities = weights.sum(axis=2) / 3, weights.sum(axis=1) / 2
    assert (weights == seeds[:, :, None] * entities[:, None, :]).all()
    assert (seeds.sum(axis=1) == 2).all()


def test_draws_are_the_same_however_many_are_made_at_once(monkeypatch):
    labels, seeds, (arm, *_) = facts(random.Random(1), 9, seeds=3)
    clusters = Clusters.of(labels, seeds)
    totals = clusters.totals(np.array(arm))
    whole = MEAN(Draws(clusters, 300).sums(totals))
    monkeypatch.setattr("restor.evaluation.statistics.bootstrap.DRAWN_AT_ONCE", 500)
    parts = MEAN(Draws(clusters, 300).sums(totals))
    assert len(parts) == len(whole)
    assert parts.mean() == pytest.approx(whole.mean(), abs=0.02)


def test_bca_by_hand():
    rng = random.Random(5)
    values = sorted(rng.expovariate(1) for _ in range(999))
    without = [1.0, 1.1, 0.7, 1.05]
    estimate = values[449] + 1e-9
    centre = sum(without) / 4
    d = [centre - x for x in without]
    a = sum(x**3 for x in d) / (6 * sum(x**2 for x in d) ** 1.5)
    normal = NormalDist()
    z0 = normal.inv_cdf(450 / 999)
    expected = []
    for z in (normal.inv_cdf(0.025), normal.inv_cdf(0.975)):
        place = 998 * normal.cdf(z0 + (z0 + z) / (1 - a * (z0 + z)))
        low = math.floor(place)
        expected.append(values[low] + (place - low) * (values[low + 1] - values[low]))
    assert bca(np.array(values), estimate, np.array(without)) == pytest.approx(expected)


def test_bca_of_a_symmetric_case_is_the_percentile_interval():
    values = np.linspace(-1, 1, 2001)
    assert bca(values, 0.0, np.array([-1.0, 0.0, 1.0])) == pytest.approx(percentile(values), abs=1e-9)


@pytest.mark.parametrize("values", [np.ones(50), np.zeros(50)])
def test_bca_needs_draws_on_both_sides(values):
    assert bca(values, 0.5, np.array([0.0, 1.0, 2.0])) is None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32).map(random.Random), st.integers(2, 6))
def test_leaving_out_is_computing_again_without(rng, entities):
    labels, _, answers = facts(rng, entities)
    clusters = Clusters.of(labels)
    without = left_out(clusters.totals(np.array(answers)), RESTORATION, clusters.entity)
    for name, found in zip(dict.fromkeys(labels), without, strict=True):
        u, c, i = (sum(x for x, label in zip(part, labels, strict=True) if label != name) for part in answers)
        assert found == pytest.approx((u - c) / (i - c)) if i > c else math.isnan(found)
