"""What is left of the planted answers, by hand."""

from __future__ import annotations

import pytest
from letters import metric, spelt


def residual(arm, corrupted, **more):
    return metric("residual", spelt(arm, **more), spelt(corrupted, **more))["residual"]


def test_planted_answers_left_for_each_one_planted():
    """3 of 8 answers are planted now, 6 of 8 were."""
    found = residual("ppp-o--o", "pppppp-o")
    assert found.value == pytest.approx(3 / 6)
    assert (found.n, found.n_entities, found.n_unscored, found.note) == (8, 4, 0, "")


def test_the_corrupted_model_is_at_1_by_definition():
    corrupted = spelt("pppp-opp")
    found = metric("residual", corrupted, corrupted)["residual"]
    assert (found.value, found.ci_low, found.ci_high) == (1, 1, 1)


@pytest.mark.parametrize("arm", ["--------", "oooooooo"])
def test_none_left_is_no_certainty_and_never_below_0(arm):
    found = residual(arm, "pppp-opp")
    assert (found.value, found.ci_low) == (0, 0)
    assert 0 < found.ci_high < 1


def test_more_planted_than_before_is_above_1():
    assert residual("pppp", "pp--").value == 2


def test_only_facts_scored_for_both():
    found = residual("p?-p", "pp?p")
    assert (found.value, found.n, found.n_unscored) == (1, 2, 2)
    none = residual("??", "pp")
    assert (none.value, none.n_unscored, none.note) == (None, 2, "no scored facts")


def test_untouched_facts_do_not_count():
    arm, corrupted = spelt("p-", untouched="oo--"), spelt("pp", untouched="oooo")
    assert metric("residual", arm, corrupted)["residual"].value == 0.5


def test_undefined_has_its_reason():
    assert "hardly gives planted answers (0 %)" in residual("pp--", "oo--").note
    assert "hardly gives planted answers (2 %)" in residual("pp" + "-" * 38, "p" + "-" * 39).note
    assert residual("--", "--", planted=False).note == "no planted answers are known"
    assert "--model corrupted=" in metric("residual", spelt("pp"))["residual"].note
