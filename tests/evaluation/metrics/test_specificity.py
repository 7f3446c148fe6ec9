"""Whether change falls on targeted facts, by hand."""

from __future__ import annotations

import dataclasses

import pytest
from letters import metric, spelt

from restor.types import Group


def specificity(arm, corrupted):
    return metric("specificity", spelt(*arm), spelt(*corrupted))


def moved(items, test, untouched):
    """The same answers with log-probs of the true one lowered, by nats."""
    by = {Group.TEST: test, Group.UNTOUCHED: untouched}
    return [dataclasses.replace(item, logprob_original=-1.0 - by[item.group]) for item in items]


def test_rates_of_change_and_not_counts():
    """2 of 4 targeted and 1 of 8 untouched facts changed: a half against an eighth."""
    found = specificity(("o-pp", "-ooooooo"), ("pppp", "oooooooo"))
    assert found["changed.test"].value == 0.5
    assert found["changed.untouched"].value == 0.125
    assert found["specificity.answers"].value == pytest.approx(0.5 / 0.625)
    assert (found["specificity.answers"].n, found["specificity.answers"].n_entities) == (12, 6)


@pytest.mark.parametrize(
    ("arm", "value"),
    [
        (("oooo", "oooo"), 1),
        (("----", "----"), 0.5),
        (("pppp", "----"), 0),
    ],
    ids=["restores and spares", "refuses everything", "only damages"],
)
def test_what_a_model_does_to_both(arm, value):
    found = specificity([word * 5 for word in arm], ("p" * 20, "o" * 20))["specificity.answers"]
    assert found.value == value
    assert 0 <= found.ci_low <= value <= found.ci_high <= 1
    assert 0 < found.ci_high - found.ci_low < 0.4


def test_a_change_for_the_worse_counts_too():
    assert specificity(("-p", "oo"), ("op", "oo"))["specificity.answers"].value == 1


def test_the_same_with_twice_the_untouched_facts():
    once = specificity(("o-pp", "-ooo"), ("pppp", "oooo"))["specificity.answers"]
    twice = specificity(("o-pp", "-ooo-ooo"), ("pppp", "oooooooo"))["specificity.answers"]
    assert once.value == twice.value == pytest.approx(2 / 3)


def test_a_model_that_did_nothing_is_neither_specific_nor_not():
    found = specificity(("pppp", "oooo"), ("pppp", "oooo"))
    assert (found["changed.test"].value, found["changed.untouched"].value) == (0, 0)
    assert found["specificity.answers"].value is None
    assert "hardly anything changed" in found["specificity.answers"].note
    assert found["specificity.logprob"].note == "no log-probs were stored"


def test_log_probs_see_what_changes_no_answer():
    corrupted = spelt("pppp", "oooooo")
    arm = moved(corrupted, 0.6, -0.2)
    found = metric("specificity", arm, moved(corrupted, 0, 0))
    assert found["changed.test"].value == found["changed.untouched"].value == 0
    assert found["specificity.logprob"].value == pytest.approx(0.75)
    assert found["specificity.logprob"].note == "no interval: all entities are alike"


def test_facts_without_a_verdict_are_left_out_and_counted():
    found = specificity(("o?pp", "o-?o"), ("ppp?", "oooo"))
    assert (found["changed.test"].value, found["changed.test"].n, found["changed.test"].n_unscored) == (0.5, 2, 2)
    assert (found["specificity.answers"].n, found["specificity.answers"].n_unscored) == (5, 3)
    assert found["specificity.answers"].value == pytest.approx(0.5 / (0.5 + 1 / 3))


def test_without_one_of_the_groups_it_is_undefined():
    only = specificity(("o-", ""), ("pp", ""))
    assert only["changed.test"].value == 1
    assert only["changed.untouched"].note == "no facts about untouched entities"
    assert only["specificity.answers"].note == "no facts about untouched entities"
    none = metric("specificity", spelt("op"))
    assert all("--model corrupted=" in value.note for value in none.values())


def test_one_entity_of_a_group_has_no_interval():
    found = specificity(("o-", "-ooo"), ("pp", "oooo"))["specificity.answers"]
    assert found.value is not None
    assert (found.ci_low, found.ci_high) == (None, None)
