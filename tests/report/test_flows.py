"""Ways of facts over the models, counted by hand on four facts."""

from __future__ import annotations

from test_changes import study

from restor.report.io.states import States
from restor.report.page.flows import flows
from restor.types import Group


def ways(answers, **more):
    results, facts = study(answers, **more)
    found = flows(results, States(results, facts))
    return [arm.arm for arm in found.origins], found.counts


def test_over_clean_and_corrupted_to_every_arm():
    origins, counts = ways({"clean": "o o o -", "corrupted": "p p o -", "method": "o p - o", "other": "o o o ?"})
    assert origins == ["clean", "corrupted"]
    assert counts == {
        Group.TEST: {"method": {"opo": 1, "opp": 1, "oox": 1, "xxo": 1}, "other": {"opo": 2, "ooo": 1, "xxu": 1}}
    }


def test_untouched_facts_are_apart_and_validation_facts_left_out():
    _, counts = ways({"clean": "o o o o", "corrupted": "p o o p", "m": "o - o o"}, groups="tuvt")
    assert counts == {Group.TEST: {"m": {"opo": 2}}, Group.UNTOUCHED: {"m": {"oox": 1}}}


def test_without_a_clean_or_corrupted_model():
    assert ways({"corrupted": "p p o o", "m": "o p o o"}) == (
        ["corrupted"],
        {Group.TEST: {"m": {"po": 1, "pp": 1, "oo": 2}}},
    )
    assert ways({"mine": "o o o -", "yours": "o - o o"})[0] == ["mine"]
    assert ways({"clean": "o o o o"}) == ([], {})


def test_most_runs_decide():
    _, counts = ways({"corrupted": "ooo ooo ooo ooo", "m": "oop opp o-p ooo"})
    assert counts[Group.TEST]["m"] == {"oo": 2, "op": 1, "ox": 1}
