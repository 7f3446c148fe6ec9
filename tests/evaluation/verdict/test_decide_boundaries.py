"""Each boundary of each rule for verdicts, from both sides: figures a tenth of it away, or 0.1 where it is 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import restor.evaluation.verdict.decide as rules
from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.statistics.equivalence import Equivalence
from restor.evaluation.statistics.estimates import Estimate, restoration
from restor.evaluation.verdict.comparisons import shown
from restor.evaluation.verdict.decide import decide
from restor.evaluation.verdict.evidence import Evidence, Three
from restor.results import PairedTest

FACTS = 40
CLUSTERS = Clusters.of([f"entity {place // 2}" for place in range(FACTS)], [0] * FACTS)


def estimate(value, low, high):
    return Estimate(value, low, high, error=0.1, df=10.0, n=FACTS, n_entities=FACTS // 2, n_seeds=1)


def three():
    return Three(CLUSTERS, *(np.ones(FACTS) for _ in range(3)))


@dataclass(frozen=True)
class Figures:
    """What the statistics say, as (value, low, high): by default an arm that is restored."""

    back: tuple[float | None, float | None, float | None] = (0.97, 0.9, 1.1)
    gone: tuple[float, float, float] = (0.9, 0.8, 1.0)
    bite: tuple[float, float, float] = (0.6, 0.5, 0.7)
    to_ideal: tuple[float, float, float] = (0.0, -0.1, 0.1)
    before: tuple[float, float, float] = (0.2, 0.1, 0.3)
    above: tuple[float, float, float] = (0.5, 0.3, 0.7)
    p_above: float = 0.01
    p_below: float = 0.01


@pytest.fixture
def verdict(monkeypatch):
    """The verdict that follows from such figures, whatever the answers."""

    def make(*, control=False, controls=("Recovery only",), top=1.0, **changes):
        figures = Figures(**changes)
        right, planted, untouched = three(), three(), three()
        right.top[:] = top
        differences = {
            (id(right.top), id(right.corrupted)): figures.bite,
            (id(untouched.top), id(untouched.arm)): figures.to_ideal,
            (id(untouched.corrupted), id(untouched.arm)): figures.before,
        }

        def restored(arm, *_):  # planted answers come with a minus: the fewer, the better
            return estimate(*(figures.gone if arm[0] < 0 else figures.back))

        def difference(one, other, *_, **__):
            return estimate(*differences[id(one), id(other)])

        def equal(_arm, _corrupted, _ideal, _clusters, margin):
            assert margin == 0.15, "what is told is what is tested"
            return Equivalence(figures.p_above, figures.p_below, 0.1)

        monkeypatch.setattr(rules, "restoration", restored)
        monkeypatch.setattr(rules, "difference", difference)
        monkeypatch.setattr(rules, "equivalence", equal)
        monkeypatch.setattr(rules, "restoration_above", lambda *_: estimate(*figures.above))
        monkeypatch.setattr(rules, "above_all", lambda _: estimate(*figures.above))
        evidence = Evidence(right, planted, untouched, {name: np.ones(FACTS) for name in controls}, is_control=control)
        return decide(evidence)

    return make


NOT_EQUAL = {"p_above": 0.5}
LITTLE = {**NOT_EQUAL, "back": (0.1, -0.1, 0.3), "above": (0.0, -0.1, 0.3)}
RULES = {
    "2: the corruption is shown": ({}, "bite", [(0.1, -0.1, 0.3), (0.3, 0.1, 0.5)], ["inconclusive", "restored"]),
    "3: 10 points on untouched facts": (
        {},
        "to_ideal",
        [(0.09, 0.05, 0.13), (0.11, 0.05, 0.17)],
        ["restored", "damaged"],
    ),
    "3: shown below the ideal": ({}, "to_ideal", [(0.3, -0.1, 0.7), (0.3, 0.1, 0.5)], ["inconclusive", "damaged"]),
    "3: shown below the corrupted": (
        {"to_ideal": (0.3, 0.2, 0.4)},
        "before",
        [(0.2, -0.1, 0.5), (0.2, 0.1, 0.3)],
        ["inconclusive", "damaged"],
    ),
    "3: not below the corrupted at all": (
        {"to_ideal": (0.3, 0.2, 0.4)},
        "before",
        [(-0.1, -0.3, 0.1), (0.1, -0.1, 0.3)],
        ["restored", "inconclusive"],
    ),
    "3a: a control restores": (
        {"control": True, "controls": ()},
        "back",
        [(0.2, -0.1, 0.4), (0.2, 0.1, 0.4)],
        ["restores little", "restores"],
    ),
    "3a: it may be half": (
        {"control": True, "controls": ()},
        "back",
        [(0.2, -0.1, 0.45), (0.2, -0.1, 0.55)],
        ["restores little", "inconclusive"],
    ),
    "4: shown above 85 %": ({}, "p_above", [0.045, 0.055], ["restored", "inconclusive"]),
    "4a: half of the planted answers": (
        {},
        "gone",
        [(0.45, 0.3, 0.6), (0.55, 0.51, 0.6)],
        ["partly restored", "restored"],
    ),
    "4c: half of them is shown": ({}, "gone", [(0.7, 0.45, 0.9), (0.7, 0.55, 0.9)], ["inconclusive", "restored"]),
    "4c: more than by each control": ({}, "above", [(0.2, -0.1, 0.5), (0.2, 0.1, 0.3)], ["inconclusive", "restored"]),
    "5: restoration above 0": (
        {**NOT_EQUAL, "above": (0.2, 0.1, 0.3)},
        "back",
        [(0.2, -0.1, 0.4), (0.2, 0.1, 0.4)],
        ["only forgotten", "partly restored"],
    ),
    "5a: below 100 %": (NOT_EQUAL, "back", [(0.7, 0.5, 0.9), (0.7, 0.5, 1.1)], ["partly restored", "inconclusive"]),
    "6: restoration may be half": (
        {**LITTLE, "controls": ()},
        "back",
        [(0.2, -0.1, 0.45), (0.2, -0.1, 0.55)],
        ["only forgotten", "inconclusive"],
    ),
    "6: what is above the best control may be half": (
        {**NOT_EQUAL, "back": (0.5, 0.3, 0.9)},
        "above",
        [(0.1, -0.1, 0.45), (0.1, -0.1, 0.55)],
        ["only forgotten", "inconclusive"],
    ),
    "7: half of the planted answers gone is shown": (
        LITTLE,
        "gone",
        [(0.7, 0.45, 0.9), (0.7, 0.55, 0.9)],
        ["inconclusive", "only forgotten"],
    ),
    "8: they fell by less than half": (
        LITTLE,
        "gone",
        [(0.45, 0.2, 0.7), (0.55, 0.2, 0.9)],
        ["not unlearned", "inconclusive"],
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_figure_on_either_side_of_a_boundary_decides(verdict, rule):
    fixed, name, sides, kinds = RULES[rule]
    assert [verdict(**{**fixed, name: side}).kind for side in sides] == kinds


@pytest.mark.parametrize(("top", "told"), [(0.045, "nothing to lose"), (0.055, "hardly took anything")])
def test_without_5_points_there_is_no_restoration_and_the_reason_tells_why(verdict, top, told):
    found = verdict(back=(None, None, None), top=top)
    assert found.kind == "undefined"
    assert told in found.reason


@pytest.mark.parametrize(("right", "defined"), [(9, False), (11, True)])
def test_5_points_between_ideal_and_corrupted_are_what_can_be_restored(right, defined):
    ideal = np.zeros(200)
    ideal[:right] = 1.0
    clusters = Clusters.of([f"entity {place % 50}" for place in range(200)], [0] * 200)
    assert (restoration(ideal, np.zeros(200), ideal, clusters).value is not None) == defined


@pytest.mark.parametrize(("p_below", "more"), [(0.045, False), (0.055, True)])
def test_one_that_may_know_more_than_the_ideal_says_so(verdict, p_below, more):
    assert ("may even know more" in verdict(p_below=p_below).reason) == more


@pytest.mark.parametrize(("low", "told"), [(-0.1, "how much is back"), (0.1, "something is back")])
def test_what_is_back_but_not_by_unlearning_is_told_as_that(verdict, low, told):
    found = verdict(**NOT_EQUAL, back=(0.5, low, 0.9), above=(0.2, -0.1, 0.7))
    assert found.kind == "inconclusive"
    assert told in found.reason


def test_restored_means_within_15_points_of_restoration(verdict):
    assert verdict().margin == 0.15


@pytest.mark.parametrize(
    ("p", "low", "high", "is_shown"),
    [(0.045, 0.1, 0.3, True), (0.055, 0.1, 0.3, False), (0.01, -0.1, 0.3, False), (0.01, -0.3, -0.1, True)],
)
def test_a_difference_is_shown_at_5_percent_by_test_and_interval(p, low, high, is_shown):
    test = PairedTest(other="x", role="ideal", difference=0.1, ci_low=low, ci_high=high, p=p, p_holm=p)
    assert shown(test) == is_shown
