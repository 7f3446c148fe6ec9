"""The margin between the true and the planted answer, by hand."""

from __future__ import annotations

import pytest
from letters import likely, metric, spelt

CORRUPTED = spelt("pppp", figures=likely([-3.0, -3.0, -4.0, -4.0], [-1.0, -1.0, -1.0, -1.0]))
IDEAL = spelt("oooo", figures=likely([-0.5, -0.5, -0.5, -0.5], [-4.5, -4.5, -4.5, -4.5]))


def margin(originals, planted):
    arm = spelt("-" * len(originals), figures=likely(originals, planted))
    return metric("margin", arm, CORRUPTED, IDEAL)


def test_mean_and_share_above_0():
    """Margins 2, 0, -1 and 1: equally likely is not above."""
    found = margin([-1.0, -2.0, -3.0, -4.0], [-3.0, -2.0, -2.0, -5.0])
    assert found["margin.mean"].value == pytest.approx(0.5)
    assert found["margin.positive"].value == 0.5
    assert {value.n for value in found.values()} == {4}


def test_restoration_in_margin_and_in_the_true_answer():
    """Margins: corrupted -2.5, ideal 4, arm 0.75; log-probs of the true answer: -3.5, -0.5 and -2."""
    found = margin([-2.0] * 4, [-2.75] * 4)
    assert found["margin.restoration"].value == pytest.approx(3.25 / 6.5)
    assert found["logprob.restoration"].value == pytest.approx(1.5 / 3)


def test_the_corrupted_model_is_at_0_and_the_ideal_one_at_1_in_every_draw():
    for arm, value in ((CORRUPTED, 0), (IDEAL, 1)):
        found = metric("margin", arm, CORRUPTED, IDEAL)
        for name in ("margin.restoration", "logprob.restoration"):
            assert [found[name].value, found[name].ci_low, found[name].ci_high] == pytest.approx([value] * 3)


def test_a_model_whose_planted_answers_are_suppressed_is_seen():
    """Its margin looks restored, and its true answers are as unlikely as before."""
    found = margin([-3.0, -3.0, -4.0, -4.0], [-21.0] * 4)
    assert found["margin.positive"].value == 1
    assert found["margin.restoration"].value > 1
    assert found["logprob.restoration"].value == 0


def test_knowledge_that_a_refuser_still_has_is_seen():
    found = margin([-0.5] * 4, [-4.5] * 4)  # it says something else
    assert found["margin.restoration"].value == pytest.approx(1)


def test_a_fact_without_log_probs_is_left_out_and_counted():
    arm = spelt(
        "----", figures=[(-1.0, -2.0, None, 1), (None, -2.0, None, 1), (-1.0, None, None, 1), (-1.0, -4.0, 0, 1)]
    )
    found = metric("margin", arm, CORRUPTED, IDEAL)
    assert (found["margin.mean"].value, found["margin.mean"].n, found["margin.mean"].n_unscored) == (2, 2, 2)
    assert (found["margin.restoration"].n, found["margin.restoration"].n_unscored) == (2, 2)
    assert (found["logprob.restoration"].n, found["logprob.restoration"].n_unscored) == (3, 1)


def test_undefined_has_its_reason():
    flat = metric("margin", IDEAL, CORRUPTED, CORRUPTED)
    assert flat["margin.restoration"].note == (
        "undefined: the corruption did not move it (ideal -2.50 nats, corrupted -2.50)"
    )
    baseline = metric("margin", spelt("oo--"), CORRUPTED, IDEAL)
    assert {value.note for value in baseline.values()} == {"no log-probs were stored"}
    unknown = metric("margin", spelt("oo--", planted=False), CORRUPTED, IDEAL)
    assert unknown["margin.mean"].note == "no planted answers are known"
    alone = metric("margin", IDEAL)
    assert alone["margin.mean"].value == 4
    assert "--model corrupted=" in alone["margin.restoration"].note
