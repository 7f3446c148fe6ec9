"""Paired tests of a table and their correction, and that a verdict never says more than they do."""

from __future__ import annotations

import numpy as np
import pytest

from restor.evaluation.metrics.base import ComparedAnswers, JudgedAnswer
from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.verdict.comparisons import Others, corrected, paired_tests, shown
from restor.results import PairedTest
from restor.tasks.tabulation.measure import ArmRow, measure
from restor.types import SCORES, Group, Judgement, Kind


def test_a_difference_its_interval_and_its_p():
    arm, control, ideal = (np.repeat(np.array(word, dtype=float), 2) for word in ([1] * 6, [0, 0, 0, 0, 0, 1], [1] * 6))
    others = Others(corrupted=("bad", control), ideal=("good", ideal), controls={"c": control})
    found = paired_tests(arm, others, Clusters.of(np.repeat(np.arange(6), 2).tolist()))
    assert [(test.role, test.other) for test in found] == [("control", "c"), ("ideal", "good"), ("corrupted", "bad")]
    assert (found[0].difference, found[0].p) == (pytest.approx(5 / 6), 2 / 32)
    assert found[0].ci_low < 5 / 6 < found[0].ci_high
    assert (found[1].difference, found[1].p, found[1].method) == (0, 1, "equal on every fact")
    assert found[1].ci_low < 0 < found[1].ci_high


def test_p_is_corrected_within_a_role():
    def of(role, *ps):
        return [PairedTest(other=str(place), role=role, difference=0.1, p=p) for place, p in enumerate(ps)]

    table = {"a": of("control", 0.01, 0.04) + of("ideal", 0.5), "b": of("control", 0.03, None)}
    found = corrected(table)
    assert [test.p_holm for test in found["a"]] == pytest.approx([0.03, 0.06, 0.5])
    assert [test.p_holm for test in found["b"]] == [0.06, None]


@pytest.mark.parametrize(
    ("p", "low", "high", "expected"),
    [
        (0.01, 0.1, 0.3, True),
        (0.05, 0.1, 0.3, True),
        (0.06, 0.1, 0.3, False),
        (0.01, -0.1, 0.3, False),
        (0.01, -0.3, -0.1, True),
        (None, 0.1, 0.3, False),
        (0.01, None, None, False),
    ],
)
def test_what_is_shown_has_a_small_p_and_an_interval_without_0(p, low, high, expected):
    test = PairedTest(other="c", role="control", difference=0.2, ci_low=low, ci_high=high, p=p, p_holm=p)
    assert shown(test) is expected


# A table of many methods that do nothing, and of some that do

PEOPLE, FACTS = 20, 8


def model(rng, share):
    """Facts about a person stand and fall together."""
    people = np.repeat(rng.normal(0, 0.2, PEOPLE), FACTS)
    right = rng.random(PEOPLE * FACTS) < np.clip(share * np.exp(people), 0, 1)
    return [
        JudgedAnswer(
            f"p{k // FACTS}", f"r{k % FACTS}", 0, Group.TEST, False, True, *SCORES[said], None, None, None, None
        )
        for k, said in enumerate(Judgement.ORIGINAL if yes else Judgement.PLANTED for yes in right)
    ]


def table(seed, shares):
    rng = np.random.default_rng(seed)
    corrupted, ideal = model(rng, 0.1), model(rng, 0.97)
    controls = {f"c{place}": model(rng, 0.3) for place in range(3)}
    ids = {"corrupted": "corrupted", "ideal": "ideal", **{name: name for name in controls}}
    arms = {f"a{place}": model(rng, share) for place, share in enumerate(shares)}
    rows = {
        name: ArmRow(ComparedAnswers(arm, corrupted, ideal, (), controls, Kind.METHOD), ids, pooled=True)
        for name, arm in arms.items()
    }
    return measure(rows)


def test_the_verdict_never_contradicts_the_tests_beside_it():
    kinds = set()
    for seed in range(2):
        for found in table(seed, np.linspace(0.1, 0.97, 12)).values():
            verdict = found.verdict
            by_role = {role: [test for test in found.tests if test.role == role] for role in ("control", "corrupted")}
            above = all(shown(test) and test.difference > 0 for test in by_role["control"])
            kinds.add(verdict.kind)
            if verdict.above_control:
                assert above
                assert found.metrics["above_control"].ci_low > 0
            if verdict.kind in ("restored", "partly restored"):
                assert verdict.above_control
                assert all(shown(test) and test.difference > 0 for test in by_role["corrupted"])
            if verdict.kind == "partly restored":
                assert all(shown(test) and test.difference < 0 for test in found.tests if test.role == "ideal")
    assert {"restored", "partly restored"} <= kinds


def test_of_many_methods_that_are_no_better_than_controls_none_is_called_better():
    """Sixteen of them in each of four tables."""
    found = [arm.verdict for seed in range(4) for arm in table(seed, [0.3] * 16).values()]
    assert sum(verdict.above_control for verdict in found) <= 1
