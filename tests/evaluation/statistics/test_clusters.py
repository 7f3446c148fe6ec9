"""Facts of an entity and of a seed: sums, and figures without one of them."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.statistics.contrast import MEAN, RESTORATION
from restor.evaluation.statistics.jackknife import design_effect, left_out


def test_totals_are_sums_and_numbers_of_facts_per_cell():
    clusters = Clusters.of(["b", "a", "b", "a"], [0, 0, 0, 1])
    assert (clusters.n_facts, clusters.n_cells, clusters.n_entities, clusters.n_seeds) == (4, 3, 2, 2)
    assert clusters.crossed
    assert clusters.totals(np.array([[1, 2, 4, 8], [0, 0, 1, 1]])).tolist() == [[5, 1, 2], [2, 0, 1], [8, 1, 1]]


def test_facts_left_out_take_their_entity_along():
    clusters = Clusters.of(["a", "b", "b"], [0, 1, 1]).keep(np.array([False, True, True]))
    assert (clusters.n_facts, clusters.n_entities, clusters.n_seeds) == (2, 1, 1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32).map(random.Random), st.integers(2, 6))
def test_leaving_out_is_computing_again_without(rng, entities):
    labels = [f"e{entity}" for entity in range(entities) for _ in range(rng.randint(1, 5))]
    answers = [[float(rng.random() < p) for _ in labels] for p in (0.6, 0.2, 0.9)]
    clusters = Clusters.of(labels)
    without = left_out(clusters.totals(np.array(answers)), RESTORATION, clusters.entity)
    for name, found in zip(dict.fromkeys(labels), without, strict=True):
        u, c, i = (sum(x for x, label in zip(part, labels, strict=True) if label != name) for part in answers)
        assert found == pytest.approx((u - c) / (i - c)) if i > c else math.isnan(found)


def test_the_design_effect_of_facts_that_repeat_each_other_is_their_number():
    values = np.repeat([0.0, 1.0] * 20, 6)
    clusters = Clusters.of(np.repeat(np.arange(40), 6).tolist())
    totals, independent = clusters.totals(values), float(values.var()) / len(values)
    assert design_effect(totals, MEAN, clusters, independent) == pytest.approx(6 * 40 / 39)
    alone = Clusters.of(list(range(240)))
    assert design_effect(alone.totals(values), MEAN, alone, independent) == pytest.approx(240 / 239)
