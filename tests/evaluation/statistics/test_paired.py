"""Paired tests against enumeration by hand, and what must not change them."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.statistics.multiple import holm
from restor.evaluation.statistics.paired import compared

NAN = float("nan")


def compare(arm, other, labels, seeds=None):
    return compared(np.array(arm, dtype=float), np.array(other, dtype=float), Clusters.of(list(labels), seeds))


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(5, 1, 2 * 7 / 64), (1, 5, 2 * 7 / 64), (6, 0, 2 / 64), (3, 3, 1.0), (1, 0, 1.0), (10, 2, 2 * 79 / 4096)],
)
def test_one_fact_per_entity_is_mcnemar_by_hand(gained, lost, p):
    arm, other = [1] * gained + [0] * lost + [1] * 3, [0] * gained + [1] * lost + [1] * 3
    found = compare(arm, other, range(len(arm)))
    assert found.p == pytest.approx(p)
    assert found.method == "McNemar, exact"


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
    found = compare(arm, other, labels)
    assert found.p == pytest.approx(by_enumeration(arm, other, labels))
    assert found.p == compare(other, arm, labels).p
    order = rng.sample(range(len(labels)), len(labels))
    again = compare([arm[k] for k in order], [other[k] for k in order], [f"x{labels[k]}" for k in order])
    assert found.p == again.p


def test_random_flips_come_near_to_all_flips_and_never_to_zero(monkeypatch):
    rng = random.Random(1)
    labels = [k // 4 for k in range(64)]
    other = [float(rng.random() < 0.5) for _ in labels]
    arm = [max(x, float(rng.random() < 0.2)) if rng.random() < 0.8 else 0.0 for x in other]
    exact = compare(arm, other, labels)
    monkeypatch.setattr("restor.evaluation.statistics.paired.EXACT_UP_TO", 0)
    drawn = compare(arm, other, labels)
    assert exact.method.endswith("exact")
    assert "9999 random" in drawn.method
    assert drawn.p == pytest.approx(exact.p, abs=0.02)
    assert drawn.p == compare(arm, other, labels).p
    assert compare([1.0] * 64, [0.0] * 64, labels).p == pytest.approx(1e-4, abs=2e-4)


def test_flips_are_made_in_parts_where_there_are_many(monkeypatch):
    labels = [k // 2 for k in range(60)]
    arm, other = [1.0, 0.0, 1.0] * 20, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0] * 10
    whole = compare(arm, other, labels)
    monkeypatch.setattr("restor.evaluation.statistics.paired.FLIPPED_AT_ONCE", 30 * 1000)
    assert compare(arm, other, labels).p == pytest.approx(whole.p, abs=0.02)


def test_facts_of_one_entity_are_no_independent_evidence():
    arm, other = [1.0] * 20, [0.0] * 20
    assert compare(arm, other, range(20)).p < 1e-5
    assert compare(arm, other, [k // 10 for k in range(20)]).p == 0.5


def test_an_entity_is_exchanged_in_all_seeds_that_share_it():
    arm, other = [1.0] * 6, [0.0] * 6
    assert compare(arm, other, "abcabc", [0] * 3 + [1] * 3).p == 2 / 8
    assert compare(arm, other, "abcdef", [0] * 3 + [1] * 3).p == 2 / 64


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
    found = compare(arm, other, entities)
    assert found.p == p
    assert words in found.note + found.method


def test_values_of_different_facts_are_refused():
    with pytest.raises(ValueError, match="give one each"):
        compare([1.0], [1.0, 0.0], "a")
    with pytest.raises(ValueError, match="give one each"):
        compare([1.0], [1.0], "ab")


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
