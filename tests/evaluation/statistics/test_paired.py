"""Paired tests against enumeration by hand, and what must not change them."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.statistics.estimates import difference, mean
from restor.evaluation.statistics.multiple import holm
from restor.evaluation.statistics.paired import mcnemar, permutation, t_test

NAN = float("nan")


def discordant(gained, lost, agree=3):
    arm = [1.0] * gained + [0.0] * lost + [1.0] * agree
    return arm, [0.0] * gained + [1.0] * lost + [1.0] * agree


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(5, 1, 2 * 7 / 64), (1, 5, 2 * 7 / 64), (6, 0, 2 / 64), (3, 3, 1.0), (1, 0, 1.0), (10, 2, 2 * 79 / 4096)],
)
def test_mcnemar_by_hand(gained, lost, p):
    found = mcnemar(*discordant(gained, lost))
    assert found.p == pytest.approx(p)
    assert (found.gained, found.lost, found.n) == (gained, lost, gained + lost + 3)
    assert found.difference == pytest.approx((gained - lost) / found.n)


def test_mcnemar_leaves_facts_without_a_verdict_out_and_refuses_shares():
    found = mcnemar([1, 1, NAN, 0], [0, 1, 1, NAN])
    assert (found.p, found.n, found.n_unscored) == (1.0, 2, 2)
    several = mcnemar([1 / 3, 1], [0, 1])
    assert several.p is None
    assert "permutation" in several.note


def by_enumeration(arm, other, labels):
    sums = {}
    for a, b, label in zip(arm, other, labels, strict=True):
        sums[label] = sums.get(label, 0) + round(12 * (a - b))
    observed = abs(sum(sums.values()))
    flips = list(itertools.product((1, -1), repeat=len(sums)))
    return sum(abs(sum(s * x for s, x in zip(signs, sums.values(), strict=True))) >= observed for signs in flips) / len(
        flips
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32).map(random.Random), st.integers(2, 8), st.sampled_from([1, 2, 3]))
def test_permutation_is_the_share_of_all_flips_of_entities(rng, entities, runs):
    labels = [rng.randrange(entities) for _ in range(20)] + list(range(entities))
    arm, other = ([rng.randint(0, runs) / runs for _ in labels] for _ in range(2))
    found = permutation(arm, other, Clusters.of(labels))
    assert found.p == pytest.approx(by_enumeration(arm, other, labels))
    assert found.p == permutation(other, arm, Clusters.of(labels)).p
    order = rng.sample(range(len(labels)), len(labels))
    again = permutation(
        [arm[k] for k in order], [other[k] for k in order], Clusters.of([f"x{labels[k]}" for k in order])
    )
    assert found.p == again.p


def test_random_flips_come_near_to_all_flips_and_never_to_zero():
    rng = random.Random(1)
    labels = [k // 4 for k in range(64)]
    other = [float(rng.random() < 0.5) for _ in labels]
    arm = [max(x, float(rng.random() < 0.2)) if rng.random() < 0.8 else 0.0 for x in other]
    clusters = Clusters.of(labels)
    exact, drawn = permutation(arm, other, clusters), permutation(arm, other, clusters, exact_up_to=0)
    assert exact.method.endswith("exact")
    assert "9999 random" in drawn.method
    assert drawn.p == pytest.approx(exact.p, abs=0.02)
    assert drawn.p == permutation(arm, other, clusters, exact_up_to=0).p
    clear = permutation([1.0] * 64, [0.0] * 64, clusters, exact_up_to=0, flips=99)
    assert clear.p == 1 / 100


def test_facts_of_one_entity_are_no_independent_evidence():
    arm, other = [1.0] * 20, [0.0] * 20
    assert mcnemar(arm, other).p < 1e-5
    assert permutation(arm, other, Clusters.of([k // 10 for k in range(20)])).p == 0.5


def test_an_entity_is_exchanged_in_all_seeds_that_share_it():
    arm, other = [1.0] * 6, [0.0] * 6
    assert permutation(arm, other, Clusters.of(list("abcabc"), [0] * 3 + [1] * 3)).p == 2 / 8
    assert permutation(arm, other, Clusters.of(list("abcdef"), [0] * 3 + [1] * 3)).p == 2 / 64


@pytest.mark.parametrize(
    ("arm", "other", "entities", "p", "words"),
    [
        ([], [], [], None, "no facts"),
        ([NAN, 1], [1, NAN], "ab", None, "none of 2 facts"),
        ([1, 1], [0, 0], "aa", None, "one entity only"),
        ([1, 1], [0, NAN], "ab", None, "one entity only"),
        ([1, 0], [1, 0], "ab", 1.0, "equal on every fact"),
    ],
)
def test_where_there_is_nothing_to_test(arm, other, entities, p, words):
    found = permutation(arm, other, Clusters.of(list(entities)))
    assert found.p == p
    assert words in found.note


def test_values_of_different_facts_are_refused():
    with pytest.raises(ValueError, match="the same facts"):
        mcnemar([1.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="one per fact"):
        permutation([1.0], [1.0], Clusters.of(["a", "b"]))


def test_the_t_test_agrees_with_the_interval():
    rng = random.Random(3)
    clusters = Clusters.of([k // 4 for k in range(60)])
    figure = difference(
        [rng.gauss(0.4, 1) for _ in range(60)], [rng.gauss(0, 1) for _ in range(60)], clusters, shares=False
    )
    assert t_test(figure, figure.low) == pytest.approx(0.05)
    assert t_test(figure, figure.high) == pytest.approx(0.05)
    assert t_test(figure, figure.value) == 1
    assert t_test(mean([], Clusters.of([]))) is None


# Holm ----------------------------------------------------------------------------------------------------------------


def test_holm_by_hand():
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(found) == ["a", "b", "c", "d"]


def test_holm_leaves_what_is_undefined_out_of_the_count():
    assert holm({"a": None, "b": 0.02, "c": NAN, "d": 0.5}) == {"a": None, "b": 0.04, "c": None, "d": 0.5}
    assert holm({}) == {}


@settings(max_examples=60)
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_rejects_as_the_sequential_procedure_does(ps):
    adjusted = holm({str(k): p for k, p in enumerate(ps)})
    for alpha in (0.01, 0.05, 0.3):
        rejected = set()
        for place, k in enumerate(sorted(range(len(ps)), key=lambda k: ps[k])):
            if ps[k] * (len(ps) - place) > alpha:
                break
            rejected.add(str(k))
        assert {name for name, p in adjusted.items() if p <= alpha} == rejected
    assert all(p >= ps[int(name)] for name, p in adjusted.items())


def test_holm_refuses_what_is_no_probability():
    with pytest.raises(ValueError, match=r"given \{'b': 1.5\}"):
        holm({"a": 0.1, "b": 1.5})
