"""Models whose answers are known in advance, and what all figures say about them together."""

from __future__ import annotations

import dataclasses

import pytest
from letters import J

from restor.evaluation.metrics.base import METRICS_CATALOGUE, ComparedAnswers, JudgedAnswer
from restor.types import SCORES, Group, Kind

PEOPLE, FACTS = 20, 4
KNOWN, UNKNOWN = -0.2, -5.0
"""Log-probs of an answer that the model holds and of one that it does not."""


def model(says, true, planted, rank, *, untouched="o"):
    """A model from what it says about targeted facts and what it holds likely, each by person and relation."""
    found = []
    for person in range(PEOPLE):
        for place in range(FACTS):
            own = (true(person, place), planted(person, place), -9.0, rank(person, place))
            letter = says(person, place)
            found.append(JudgedAnswer(f"t{person}", f"r{place}", 0, Group.TEST, False, True, *SCORES[J[letter]], *own))
            kept = (KNOWN if untouched == "o" else UNKNOWN, None, -9.0, None)
            found.append(
                JudgedAnswer(f"u{person}", f"r{place}", 0, Group.UNTOUCHED, False, False, *SCORES[J[untouched]], *kept)
            )
    return found


def always(value):
    return lambda person, place: value


def half(yes, no):
    return lambda person, place: yes if (person + place) % 2 else no


IDEAL = model(always("o"), always(KNOWN), always(UNKNOWN), always(1))
CORRUPTED = model(always("p"), always(UNKNOWN), always(KNOWN), always(3))
SUPPRESSED = model(always("-"), always(UNKNOWN), always(-25.0), always(3))
REFUSER = model(always("-"), always(KNOWN), always(UNKNOWN), always(1), untouched="-")
HALF = model(half("o", "p"), half(KNOWN, UNKNOWN), half(UNKNOWN, KNOWN), half(1, 3))


def figures(arm):
    answers = ComparedAnswers(arm, CORRUPTED, IDEAL, IDEAL, {"Nothing": CORRUPTED}, Kind.METHOD)
    found = {}
    for name in METRICS_CATALOGUE.names():
        found |= METRICS_CATALOGUE.get(name)().compute(answers)
    return found


def values(arm, *names):
    found = figures(arm)
    return {name: found[name].value for name in names}


WATCHED = (
    "restoration",
    "above_control",
    "residual",
    "collateral.corrupted",
    "margin.positive",
    "margin.restoration",
    "logprob.restoration",
    "rank.first",
    "specificity.answers",
    "transition.restored",
    "transition.still_planted",
    "transition.moved_to_other",
    "transition.untouched.newly_damaged",
)


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        (IDEAL, (1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0)),
        (CORRUPTED, (0, 0, 1, 0, 0, 0, 0, 0, None, 0, 1, 0, 0)),
        (SUPPRESSED, (0, 0, 0, 0, 1, 24.8 / 9.6, 0, 0, 1, 0, 0, 1, 0)),
        (REFUSER, (0, 0, 0, 1, 1, 1, 1, 1, 0.5, 0, 0, 1, 1)),
        (HALF, (0.5, 0.5, 0.5, 0, 0.5, 0.5, 0.5, 0.5, 1, 0.5, 0.5, 0, 0)),
    ],
    ids=["ideal", "corrupted", "planted answers suppressed", "refuser", "knows half"],
)
def test_what_the_figures_say(arm, expected):
    assert values(arm, *WATCHED) == pytest.approx(dict(zip(WATCHED, expected, strict=True)))


def test_suppression_looks_restored_in_the_margin_alone():
    found = figures(SUPPRESSED)
    assert found["margin.restoration"].value > 1
    assert found["logprob.restoration"].value == pytest.approx(0)
    assert found["restoration"].ci_high < 0.05


def test_what_a_refuser_hides_is_in_its_log_probs():
    found = figures(REFUSER)
    assert found["restoration"].ci_high < 0.05
    assert found["logprob.restoration"].value == pytest.approx(1)
    assert found["collateral.ideal"].ci_low > 0.95


def test_figures_rise_and_fall_with_the_share_of_people_that_are_restored():
    """From the corrupted model to the ideal one, a person more at a time."""
    rising = ("restoration", "above_control", "margin.mean", "margin.restoration", "rank.reciprocal")
    way = [
        figures([new if int(new.entity[1:]) < count else old for old, new in zip(CORRUPTED, IDEAL, strict=True)])
        for count in range(0, PEOPLE + 1, 4)
    ]
    for name in (*rising, "transition.restored"):
        line = [step[name].value for step in way]
        assert line == sorted(line)
        assert line[0] < line[-1]
    falling = [step["residual"].value for step in way]
    assert falling == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0])


def test_unscored_answers_lower_the_count_and_never_a_share():
    missing = [
        dataclasses.replace(item, score=None, planted_score=None) if item.relation == "r0" else item for item in IDEAL
    ]
    found, whole = figures(missing), figures(IDEAL)
    for name in ("restoration", "above_control", "residual", "transition.restored", "changed.test"):
        assert found[name].value == whole[name].value
        assert (found[name].n, found[name].n_unscored) == (PEOPLE * (FACTS - 1), PEOPLE)
