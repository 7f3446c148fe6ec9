"""Restoration above the best control, by hand."""

from __future__ import annotations

import random

import pytest
from letters import metric, spelt

from restor.types import Kind

CORRUPTED, IDEAL = "pppppppppp", "oooooooooo"


def above(arm, controls, corrupted=CORRUPTED, ideal=IDEAL, **more):
    spelled = {name: spelt(letters) for name, letters in controls.items()}
    return metric("above_control", spelt(arm), spelt(corrupted), spelt(ideal), controls=spelled, **more)[
        "above_control"
    ]


def test_what_is_more_than_the_best_of_three():
    """The method restores 6 of 10, the controls 0, 2 and 3."""
    found = above("oooooo----", {"Recovery": CORRUPTED, "Retain": "oo--------", "Random": "-------ooo"})
    assert found.value == pytest.approx(0.3)
    assert found.note == "best control: Random"
    assert (found.n, found.n_entities, found.n_unscored) == (10, 5, 0)


def test_it_is_restoration_less_that_of_the_control():
    arm, corrupted, ideal, control = "oooo-o--pp", "o-pppppppp", "oooooooo--", "oo--------"
    restored = [
        metric("restoration", spelt(who), spelt(corrupted), spelt(ideal))["restoration"].value for who in (arm, control)
    ]
    assert above(arm, {"C": control}, corrupted, ideal).value == pytest.approx(restored[0] - restored[1])


def test_a_method_that_does_what_the_control_does_is_at_0_and_no_certainty():
    found = above("oo--o---pp", {"Retain": "oo--o---pp"})
    assert found.value == 0
    assert found.ci_low < 0 < found.ci_high


def test_below_a_control_is_negative_and_the_ideal_is_what_the_control_lacks():
    assert above("o---------", {"Retain": "oooo------"}).value == pytest.approx(-0.3)
    assert above(IDEAL, {"Retain": "oooo------"}).value == pytest.approx(0.6)
    assert above(CORRUPTED, {"Retain": "oooo------"}).value == pytest.approx(-0.4)


def test_the_interval_is_about_the_control_that_truly_is_the_best():
    """Its lower end is the lowest against any control alone; its upper end allows for the luck of the best."""
    arm, controls = "oo--oo--oo-o", {"first": "oooo-o------", "second": "------oooo-o"}
    both = above(arm, controls, "p" * 12, "o" * 12)
    alone = [above(arm, {name: letters}, "p" * 12, "o" * 12) for name, letters in controls.items()]
    assert both.value == min(each.value for each in alone)
    assert both.ci_low == min(each.ci_low for each in alone)
    assert both.ci_high > min(each.ci_high for each in alone)


def test_more_controls_never_raise_it():
    rng = random.Random(1)
    arm = "".join(rng.choices("op-", k=40))
    controls = {f"c{i}": "".join(rng.choices("op-", k=40)) for i in range(6)}
    found = [
        above(arm, dict(list(controls.items())[:count]), "p" * 40, "o" * 40) for count in range(1, len(controls) + 1)
    ]
    values, lows = [value.value for value in found], [value.ci_low for value in found]
    assert values == sorted(values, reverse=True)
    assert lows == sorted(lows, reverse=True)
    assert all(value.ci_low <= value.value <= value.ci_high for value in found)


def test_the_interval_holds_the_estimate_where_some_control_is_always_lucky():
    """The method knows half of the facts about each person; 20 controls know all about half of the people."""
    rng = random.Random(2)
    controls = {}
    for number in range(20):
        known = set(rng.sample(range(12), 6))
        controls[f"c{number}"] = "".join("oo" if person in known else "--" for person in range(12))
    found = above("o-" * 12, controls, "p" * 24, "o" * 24)
    assert found.ci_low < found.value == 0 < found.ci_high


def test_only_facts_that_all_models_were_scored_for():
    found = above("oo??oooo--", {"Retain": "?-oo--oo--"})
    # Left: facts 1, 4 to 9: the method 5 of 7, the control 2 of 7.
    assert found.value == pytest.approx(3 / 7)
    assert (found.n, found.n_unscored) == (7, 3)


@pytest.mark.parametrize("kind", [Kind.REFERENCE, Kind.BASELINE, Kind.CONTROL])
def test_what_is_no_method_is_not_compared(kind):
    found = above("oo--------", {"Retain": CORRUPTED}, kind=kind)
    assert (found.value, found.n, found.note) == (None, 0, "only methods are compared with controls")


def test_an_oracle_is_compared():
    assert above(IDEAL, {"Retain": CORRUPTED}, kind=Kind.ORACLE).value == 1


def test_undefined_has_its_reason():
    assert above("oo--------", {}).note == "there is no control to compare with"
    known = "oo" + CORRUPTED[2:]
    assert "did not bite" in above("oo--------", {"Retain": known}, corrupted=known, ideal=known).note
    assert "knows hardly any" in above("oo--------", {"Retain": CORRUPTED}, ideal=CORRUPTED).note
    arm = spelt("oo--")
    assert "--model corrupted=" in metric("above_control", arm, controls={"Retain": arm})["above_control"].note


def test_a_control_that_failed_is_named():
    both = above("oo--------", {"Retain": CORRUPTED, "Random": ""})
    assert both.note == "best control: Retain; without Random, which failed for some seed"
    assert above("oo--------", {"Random": ""}).note == "no control has answers: Random"


def test_other_facts_are_never_compared():
    with pytest.raises(ValueError, match="different facts"):
        above("oo--------", {"Retain": "oo"})
