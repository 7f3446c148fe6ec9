"""Damage to untouched facts, by hand."""

from __future__ import annotations

import pytest
from letters import metric, spelt


def damage(arm, corrupted, ideal, clean=None):
    parts = [spelt("pp", word) if word is not None else () for word in (arm, corrupted, ideal, clean)]
    return metric("collateral", *parts)


def test_facts_lost_less_facts_gained():
    """Against the corrupted model two are lost and one is gained, against the ideal one three are lost."""
    found = damage("oo---o--", "oooo----", "oooooo--")
    assert found["collateral.corrupted"].value == pytest.approx(1 / 8)
    assert found["collateral.ideal"].value == pytest.approx(3 / 8)
    assert {value.n for value in found.values()} == {8}
    assert {value.n_entities for value in found.values()} == {4}


def test_the_references_themselves_are_at_0_by_definition():
    corrupted, ideal = spelt("pp", "ooo-o-"), spelt("pp", "oooooo")
    found = metric("collateral", corrupted, corrupted, ideal)["collateral.corrupted"]
    assert (found.value, found.ci_low, found.ci_high) == (0, 0, 0)
    found = metric("collateral", ideal, corrupted, ideal)
    assert found["collateral.corrupted"].value == pytest.approx(-2 / 6)
    assert (found["collateral.ideal"].ci_low, found["collateral.ideal"].ci_high) == (0, 0)


def test_a_model_that_answers_as_the_reference_does_may_differ_elsewhere():
    found = damage("ooo-o-", "ooo-o-", "oooooo")["collateral.corrupted"]
    assert found.value == 0
    assert found.ci_low < 0 < found.ci_high


def test_losses_and_gains_that_cancel_are_no_certainty():
    found = damage("oo--oo--", "--oo--oo", "oooooooo")["collateral.corrupted"]
    assert found.value == 0
    assert found.ci_low < 0 < found.ci_high


def test_one_entity_has_no_interval():
    found = damage("--", "oo", "oo")["collateral.corrupted"]
    assert (found.value, found.ci_low, found.ci_high) == (1, None, None)


def test_a_refuser_loses_all_that_was_known():
    found = damage("------", "ooo-oo", "oooooo")
    assert found["collateral.corrupted"].value == pytest.approx(5 / 6)
    assert found["collateral.ideal"].value == 1


def test_targeted_facts_do_not_count():
    arm, corrupted, ideal = spelt("----", "oo"), spelt("oooo", "oo"), spelt("oooo", "oo")
    assert {value.value for value in metric("collateral", arm, corrupted, ideal).values()} == {0}


def test_only_facts_scored_for_both():
    found = damage("-?oo", "oo?o", "oooo")["collateral.corrupted"]
    assert (found.value, found.n, found.n_unscored) == (0.5, 2, 2)


def test_the_clean_model_takes_the_place_of_a_missing_ideal_one():
    assert damage("o---", "oo--", None, "oooo")["collateral.ideal"].value == pytest.approx(0.75)


def test_undefined_has_its_reason():
    arm = spelt("op")
    notes = {value.note for value in metric("collateral", arm, arm, arm).values()}
    assert notes == {"no facts about untouched entities"}
    found = metric("collateral", spelt("op", "oo"))
    assert "--model corrupted=" in found["collateral.corrupted"].note
    assert "--model clean=" in found["collateral.ideal"].note
