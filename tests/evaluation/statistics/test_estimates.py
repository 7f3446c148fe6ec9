"""Figures and their intervals: by hand, by plain loops, what must not change them, and where there are none."""

from __future__ import annotations

import importlib.util
import math
import random
import sys
from pathlib import Path
from statistics import mean as average
from statistics import stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.statistics.distributions import t_quantile
from restor.evaluation.statistics.estimates import (
    difference,
    mean,
    part_of,
    ratio,
    restoration,
    restoration_above,
    restoration_above_all,
    share,
)

NAN = float("nan")


def people(n, facts=4):
    return [f"e{k}" for k in range(n) for _ in range(facts)]


def answers(rng, n, *shares):
    return [[float(rng.random() < p) for _ in range(n)] for p in shares]


# by hand -------------------------------------------------------------------------------------------------------------


def test_a_mean_of_equally_many_facts_has_the_usual_interval_of_entity_means():
    values = [0.1, 0.5, 2.0, 1.0, -1.0, 0.4, 0.0, 3.0]
    entity_means = [average(values[k : k + 2]) for k in range(0, 8, 2)]
    error = stdev(entity_means) / 2
    found = mean(values, Clusters.of(people(4, 2)))
    assert found.value == pytest.approx(average(values))
    assert found.error == pytest.approx(error)
    assert found.df == 3
    assert (found.low, found.high) == pytest.approx((found.value - 3.182446 * error, found.value + 3.182446 * error))
    assert (found.n, found.n_entities, found.n_seeds) == (8, 4, 1)


def test_with_seeds_of_their_own_entities_the_interval_is_that_of_the_seed_means():
    rng = random.Random(2)
    values = [rng.gauss(seed, 1) for seed in range(3) for _ in range(8)]
    entities = [f"e{k // 2}" for k in range(24)]
    seeds = [k // 8 for k in range(24)]
    found = mean(values, Clusters.of(entities, seeds))
    error = stdev([average(values[k : k + 8]) for k in (0, 8, 16)]) / math.sqrt(3)
    assert (found.error, found.df) == (pytest.approx(error), 2)


def test_with_the_same_entities_in_every_seed_both_variances_count():
    rng = random.Random(2)
    grid = np.array([[rng.gauss(seed + entity / 3, 1) for entity in range(6)] for seed in range(3)])
    clusters = Clusters.of([k % 6 for k in range(18)], [k // 6 for k in range(18)])
    found = mean(grid.ravel(), clusters)
    v = stdev(grid.mean(axis=0).tolist()) ** 2 / 6
    w = stdev(grid.mean(axis=1).tolist()) ** 2 / 3
    assert found.error == pytest.approx(math.sqrt(v + w))
    assert found.df == pytest.approx((v + w) ** 2 / (v**2 / 5 + w**2 / 2))


def test_a_share_by_hand():
    values = [1, 1, 1, 0] * 2 + [1, 1, 1, 1] * 2
    found = share(values, Clusters.of(people(4)))
    p, independent = 14 / 16, 14 / 16 * 2 / 16 / 16
    variance = stdev([0.75, 0.75, 1, 1]) ** 2 / 4
    assert variance < independent, "these four differ less than chance would make them"
    q = (p + 1 / 32) / (1 + 1 / 16)  # half a fact on either side
    error = math.sqrt(independent * q * (1 - q) / (p * (1 - p)))
    odds, reach = q / (1 - q), t_quantile(0.975, 3) * error / (q * (1 - q))
    assert found.value == p
    assert found.low == pytest.approx(odds * math.exp(-reach) / (1 + odds * math.exp(-reach)))
    assert found.high == pytest.approx(odds * math.exp(reach) / (1 + odds * math.exp(reach)))


def test_a_share_of_entities_that_are_all_right_or_all_wrong_by_hand():
    values = [1.0] * 4 * 6 + [0.0] * 4 * 2
    found = share(values, Clusters.of(people(8)))
    p = 0.75
    variance = stdev([1] * 6 + [0] * 2) ** 2 / 8
    effect = variance / (p * (1 - p) / 32)  # 32 / 7: facts repeat each other
    q = (p + effect / 64) / (1 + effect / 32)
    error = math.sqrt(variance * q * (1 - q) / (p * (1 - p)))
    reach = t_quantile(0.975, 7) * error / (q * (1 - q))
    assert found.low == pytest.approx(1 / (1 + (1 - q) / q * math.exp(reach)))


def test_restoration_by_hand():
    # entities have sums (arm, corrupted, ideal) of (2, 0, 3), (1, 1, 3), (2, 1, 2)
    arm, corrupted, ideal = [1, 1, 0, 1, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1, 0]
    found = restoration(arm, corrupted, ideal, Clusters.of(people(3, 3)))
    without = [(3 - 2) / (5 - 2), (4 - 1) / (5 - 1), (3 - 1) / (6 - 1)]
    variance = 2 / 3 * sum((x - average(without)) ** 2 for x in without)
    gap = 6 / 9
    influence = [(a - c - 0.5 * (i - c)) / gap for a, c, i in zip(arm, corrupted, ideal, strict=True)]
    effect = max(1, variance / (sum(x**2 for x in influence) / 9 / 9))
    error = math.sqrt(variance + (effect / (9 * gap)) ** 2)  # one fact more
    assert found.value == pytest.approx((5 - 2) / (8 - 2))
    assert found.error == pytest.approx(error)
    assert found.high - found.value == pytest.approx(4.302653 * error, rel=1e-5)


def test_restoration_above_a_control_is_the_difference_of_two_restorations():
    arm, control, corrupted, ideal = answers(random.Random(4), 60, 0.6, 0.4, 0.2, 0.9)
    clusters = Clusters.of(people(15))
    above = restoration_above(arm, control, corrupted, ideal, clusters)
    parts = [restoration(values, corrupted, ideal, clusters).value for values in (arm, control)]
    assert above.value == pytest.approx(parts[0] - parts[1])
    same = restoration_above(arm, arm, corrupted, ideal, clusters)
    assert same.value == 0
    assert same.low == -same.high


def test_above_all_controls_is_above_each():
    arm, first, second, corrupted, ideal = answers(random.Random(4), 80, 0.7, 0.4, 0.45, 0.2, 0.9)
    clusters = Clusters.of(people(20))
    alone = [restoration_above(arm, control, corrupted, ideal, clusters) for control in (first, second)]
    both = restoration_above_all(arm, [first, second], corrupted, ideal, clusters)
    assert both.value == min(each.value for each in alone)
    assert both.low == min(each.low for each in alone)
    highs = [each.value + t_quantile(1 - 0.025 / 2, 19) * each.error for each in alone]
    assert both.high == pytest.approx(min(highs)), "either may be the best"
    nothing = [0.0] * 80
    far = restoration_above_all(arm, [first, nothing], corrupted, ideal, clusters)
    assert (far.low, far.high) == (alone[0].low, alone[0].high), "that one surely is not"


def test_a_ratio_of_shares_never_falls_below_0():
    clusters = Clusters.of(people(10))
    before = [1.0, 1.0, 0.0, 1.0] * 10
    none = ratio([0.0] * 40, before, clusters)
    assert (none.value, none.low) == (0, 0)
    assert 0 < none.high < 0.15
    half = ratio([1.0, 0.0, 0.0, 0.5] * 10, before, clusters)
    assert half.value == pytest.approx(0.5)


def test_any_figure_between_0_and_1_keeps_within():
    clusters = Clusters.of(people(10))
    totals = clusters.totals(np.array([1.0] * 38 + [0.0] * 2))
    found = part_of(totals, lambda sums: sums[..., 0] / sums[..., 1], clusters)
    assert (found.value, found.error) == (0.95, pytest.approx(0.05))
    reach = t_quantile(0.975, 9) * 0.05 / 0.0475
    assert found.low == pytest.approx(1 / (1 + math.exp(reach) / 19))
    assert found.high < 1
    assert "alike" in part_of(clusters.totals(np.ones(40)), lambda sums: sums[..., 0] / sums[..., 1], clusters).note


def test_pairing_makes_a_difference_sharper_than_its_parts():
    rng = random.Random(0)
    level = [rng.gauss(0, 5) for _ in range(80)]
    arm = [x + 1 + rng.gauss(0, 0.1) for x in level]
    clusters = Clusters.of(people(20))
    paired = difference(arm, level, clusters, shares=False)
    assert paired.low < 1 < paired.high
    assert paired.error < 0.05 * mean(arm, clusters).error


# near the ends -------------------------------------------------------------------------------------------------------


def test_a_share_near_an_end_keeps_within_and_is_the_mirror_of_its_opposite():
    values = [1.0] * 47 + [0.0]
    clusters = Clusters.of(people(12))
    top, bottom = share(values, clusters), share([1 - x for x in values], clusters)
    assert 0.5 < top.low < top.value < top.high < 1
    assert (bottom.low, bottom.high) == pytest.approx((1 - top.high, 1 - top.low))


def test_all_right_is_no_certainty_and_says_no_more_than_one_wrong():
    clusters = Clusters.of(people(12))
    perfect, almost = share([1.0] * 48, clusters), share([1.0] * 47 + [0.0], clusters)
    assert perfect.high == 1
    assert almost.low <= perfect.low < 1
    assert share([0.0] * 48, clusters).high == pytest.approx(1 - perfect.low)


def test_arms_that_agree_on_every_fact_have_an_interval_of_one_fact():
    values = answers(random.Random(0), 48, 0.9)[0]
    found = difference(values, values, Clusters.of(people(12)), shares=True)
    assert (found.value, found.error) == (0, pytest.approx(1 / 48))
    ideal, corrupted = [1.0] * 48, [0.0] * 24 + [1.0] * 24
    assert restoration(ideal, corrupted, ideal, Clusters.of(people(12))).error == pytest.approx(1 / 24)


# what must not change it ---------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32).map(random.Random), st.integers(1, 3), st.booleans())
def test_order_and_names_do_not_matter(rng, n_seeds, crossed):
    entities = [(0 if crossed else k % n_seeds, rng.randint(0, 6)) for k in range(60)]
    seeds = [k % n_seeds for k in range(60)]
    parts = answers(rng, 60, 0.5, 0.1, 0.95)
    first = restoration(*parts, Clusters.of(entities, seeds))
    order = rng.sample(range(60), 60)
    renamed = Clusters.of([f"<{entities[k]}>" for k in order], [f"s{seeds[k]}" for k in order])
    second = restoration(*([part[k] for k in order] for part in parts), renamed)
    assert first.low is not None
    assert (first.value, first.low, first.high, first.df) == pytest.approx(
        (second.value, second.low, second.high, second.df), rel=1e-9
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32).map(random.Random))
def test_a_fact_without_a_value_is_a_fact_that_was_not_there(rng):
    parts = answers(rng, 40, 0.5, 0.1, 0.95)
    missing = sorted(rng.sample(range(40), 5))
    holed = [list(part) for part in parts]
    for place in missing:
        holed[rng.randrange(3)][place] = NAN
    labels = people(10)
    kept = [k for k in range(40) if k not in missing]
    found = restoration(*holed, Clusters.of(labels))
    expected = restoration(*([part[k] for k in kept] for part in parts), Clusters.of([labels[k] for k in kept]))
    assert (found.value, found.low, found.n, found.n_unscored) == (expected.value, expected.low, 35, 5)


# undefined -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "entities", "words"),
    [
        ([], [], "no facts"),
        ([NAN, NAN], ["a", "b"], "none of 2 facts"),
        ([0.5, 1.0], ["a", "a"], "one entity only"),
        ([0.5, 0.5], ["a", "b"], "all entities are alike"),
    ],
)
def test_a_mean_that_has_no_interval_says_why(values, entities, words):
    found = mean(values, Clusters.of(entities))
    assert (found.low, found.high, found.error) == (None, None, None)
    assert words in found.note
    assert (found.value is None) == (words in ("no facts", "none of 2 facts"))


def test_no_restoration_where_the_corruption_did_not_bite():
    clusters = Clusters.of(people(25))
    ideal = [1.0] * 100
    for corrupted in (ideal, [0.0] * 4 + [1.0] * 96):
        for found in (
            restoration(ideal, corrupted, ideal, clusters),
            restoration_above(ideal, corrupted, corrupted, ideal, clusters),
        ):
            assert (found.value, found.low, found.high, found.error) == (None, None, None, None)
            assert "did not bite" in found.note
            assert "100 %" in found.note
    assert restoration(ideal, [0.0] * 5 + [1.0] * 95, ideal, clusters).value == 1


def test_no_interval_where_one_entity_carries_the_whole_gap():
    corrupted, ideal = [0.0] * 4 + [1.0] * 8, [1.0] * 12
    found = restoration([0.0] * 2 + [1.0] * 10, corrupted, ideal, Clusters.of(people(3)))
    assert found.value == 0.5
    assert found.low is None
    assert "so much depends" in found.note


def test_no_figure_of_infinite_values():
    assert mean([1.0, math.inf, -math.inf, 2.0], Clusters.of(list("abcd"))).n_unscored == 2


@pytest.mark.parametrize("seeds", [None, [0, 0]])
def test_what_does_not_fit_is_refused(seeds):
    clusters = Clusters.of(["a", "b"], seeds)
    with pytest.raises(ValueError, match="one per fact"):
        mean([1.0], clusters)
    with pytest.raises(ValueError, match="between 0 and 1"):
        share([0.0, 2.0], clusters)
    with pytest.raises(ValueError, match="give each fact both"):
        Clusters.of(["a"], [0, 1])


# coverage ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def benchmark():
    path = Path(__file__).parents[3] / "benchmarks" / "interval_coverage.py"
    spec = importlib.util.spec_from_file_location("interval_coverage", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


FIGURES = (
    "share 50 %",
    "share 95 %",
    "mean",
    "difference 50 - 70 %",
    "restoration (50, 15, 95 %)",
    "above four controls",
)


@pytest.mark.parametrize("world", [(1, 10, 20), (3, 10, 8, 0.05)], ids=["one seed", "seeds differ"])
def test_intervals_hold_the_truth_as_often_as_they_say(benchmark, world):
    """95 % +- 2 over figures, and for each no less by more than three standard errors; the benchmark has the rest."""
    cases = {case.name: case for case in benchmark.cases() if case.name in FIGURES}
    held = [benchmark.coverage(benchmark.World(*world), cases[name], 250)[0] for name in FIGURES]
    assert 0.93 < np.mean(held) < 0.975, dict(zip(FIGURES, held, strict=True))
    assert min(held) > 0.93 - 3 * math.sqrt(0.0475 / 250)


def test_an_interval_that_is_too_narrow_would_be_found(benchmark, monkeypatch):
    monkeypatch.setattr("restor.evaluation.statistics.estimates.t_quantile", lambda p, df: 1.5 if p > 0.5 else -1.5)
    case = next(case for case in benchmark.cases() if case.name == "difference 50 - 70 %")
    assert benchmark.coverage(benchmark.World(1, 16, 12), case, 400)[0] < 0.93 - 3 * math.sqrt(0.0475 / 400)


def test_the_simulation_has_the_shares_it_says(benchmark):
    world = benchmark.World(5, 400, 5, by_seed=0.0)
    clusters = world.clusters()
    found = benchmark.simulate(world, clusters, (0.2, 0.9), np.random.default_rng(0)).mean(axis=1)
    assert found == pytest.approx([0.2, 0.9], abs=0.02)
