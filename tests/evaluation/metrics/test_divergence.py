"""Jensen-Shannon divergence to the ideal model over the options of a fact, by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from letters import metric, spelt

from restor.evaluation.metrics.divergence import js_divergence
from restor.types import Group

LOW = -60.0
"""Next to nothing beside 0."""


def asked(*facts, options=("york", "rome"), **more):
    """Facts with a log-prob for each option, two facts an entity."""
    figures = [(max(own), None, None, None, options, np.array(own)) for own in facts]
    return spelt("-" * len(facts), figures=figures, **more)


SURE, TURNED = asked((0.0, LOW), (0.0, LOW)), asked((LOW, 0.0), (LOW, 0.0))


def test_models_that_choose_alike_and_models_that_share_no_option():
    assert metric("divergence", SURE, TURNED, SURE)["js.ideal"].value == 0
    assert metric("divergence", TURNED, TURNED, SURE)["js.ideal"].value == pytest.approx(1)


def test_a_half_by_hand():
    """p = (1, 0), q = (1/2, 1/2), m = (3/4, 1/4): KL(p||m) = log2 4/3, KL(q||m) = (log2 2/3 + log2 2) / 2."""
    arm = asked((-1.0, -1.0), (-2.0, -2.0))
    by_hand = (math.log2(4 / 3) + (math.log2(2 / 3) + 1) / 2) / 2
    found = metric("divergence", arm, TURNED, SURE)["js.ideal"]
    assert (found.value, found.n) == (pytest.approx(by_hand), 2)
    assert by_hand == pytest.approx(0.311278, abs=1e-6)


def test_shares_of_three_options_and_of_two():
    """exp of log-probs, whatever they add up to: 2:1:1 against 1:1:2, and 3:1 against 3:1, of other sizes."""
    one, other = np.log([2, 1, 1, 3, 1]) - 7, np.log([1, 1, 2, 30, 10])
    p, q = np.array([0.5, 0.25, 0.25]), np.array([0.25, 0.25, 0.5])
    m = (p + q) / 2
    by_hand = (sum(p * np.log2(p / m)) + sum(q * np.log2(q / m))) / 2
    assert js_divergence(one, other, [0, 3]) == pytest.approx([by_hand, 0])


def test_log_probs_far_below_each_other_are_no_trouble():
    assert js_divergence(np.array([-5000.0, -1.0]), np.array([-1.0, -5000.0]), [0]) == pytest.approx([1])


def test_restoration_is_how_much_of_the_way_to_the_ideal_model_is_made():
    """Halfway in shares is 0.311 of the 1 bit that was lost, so that 0.689 is back."""
    half = asked((-1.0, -1.0), (-2.0, -2.0))
    for arm, value in ((SURE, 1), (TURNED, 0), (half, 1 - 0.311278)):
        found = metric("divergence", arm, TURNED, SURE)["js.restoration"]
        assert (found.value, found.n) == (pytest.approx(value, abs=1e-6), 2)
    wrong, right = [(LOW, 0.0)] * 40, [(0.0, LOW)] * 40
    found = metric("divergence", asked(*wrong[:20], *right[:20]), asked(*wrong), asked(*right))["js.restoration"]
    assert (found.value, found.n_entities) == (pytest.approx(0.5), 20)
    assert 0.2 < found.ci_low < 0.3 < 0.7 < found.ci_high < 0.8


def test_a_model_is_no_way_from_itself_for_certain():
    found = metric("divergence", SURE, TURNED, SURE)
    assert [(found[name].ci_low, found[name].ci_high) for name in ("js.ideal", "js.restoration")] == [(0, 0), (1, 1)]


def test_untouched_facts_are_apart():
    arm, ideal = (spelt("", "oo") for _ in range(2))
    scores = {"arm": [(-1.0, -1.0), (0.0, LOW)], "ideal": [(0.0, LOW), (0.0, LOW)]}
    arm, ideal = (
        [
            replace(item, options=("york", "rome"), option_logprobs=np.array(own))
            for item, own in zip(model, scores[name], strict=True)
        ]
        for name, model in (("arm", arm), ("ideal", ideal))
    )
    found = metric("divergence", [*TURNED, *arm], [*TURNED, *arm], [*SURE, *ideal])
    assert found["js.ideal"].value == pytest.approx(1)
    assert found["js.ideal_untouched"].value == pytest.approx(0.311278 / 2, abs=1e-6)


def test_facts_that_cannot_be_compared_are_left_out_and_counted():
    """No options, other options, a number that is none: each leaves one out."""
    good = asked((-1.0, -1.0), (-1.0, -1.0), (-1.0, -1.0), (-1.0, -1.0))
    spoilt = [
        good[0],
        replace(good[1], options=(), option_logprobs=None),
        replace(good[2], options=("york", "bonn")),
        replace(good[3], option_logprobs=np.array([-1.0, math.nan])),
    ]
    found = metric("divergence", spoilt, asked(*[(LOW, 0.0)] * 4), good)
    for name in ("js.ideal", "js.restoration"):
        assert (found[name].n, found[name].n_unscored) == (1, 3)
    assert found["js.ideal"].value == 0


def test_several_runs_of_a_fact_count_once():
    arm = [*asked((-1.0, -1.0), (0.0, LOW)), *asked((-1.0, -1.0), (0.0, LOW), run=1)]
    ideal = [*SURE, *asked((0.0, LOW), (0.0, LOW), run=1)]
    found = metric("divergence", arm, [*TURNED, *TURNED], ideal)["js.ideal"]
    assert (found.value, found.n) == (pytest.approx(0.311278 / 2, abs=1e-6), 2)


def test_undefined_has_its_reason():
    flat = metric("divergence", SURE, SURE, SURE)["js.restoration"]
    assert flat.note == "undefined: the corruption did not move it (0.000 bits from the ideal model)"
    baseline = metric("divergence", spelt("oo"), TURNED, SURE)
    assert {baseline[name].note for name in ("js.ideal", "js.restoration")} == {
        "no log-probs were stored for each option"
    }
    others = metric("divergence", asked((0.0, 0.0), (0.0, 0.0), options=("a", "b")), TURNED, SURE)
    assert others["js.ideal"].note == "the models were asked about different options"
    assert others["js.ideal_untouched"].note == "no facts about untouched entities"
    alone = metric("divergence", SURE)
    assert {value.note for value in alone.values()} == {"divergence needs a clean or an ideal one (--model clean=...)"}
    no_corrupted = metric("divergence", SURE, (), SURE)
    assert no_corrupted["js.ideal"].value == 0
    assert "--model corrupted=" in no_corrupted["js.restoration"].note


def test_the_clean_model_stands_in_for_the_ideal_one():
    found = metric("divergence", SURE, TURNED, (), SURE)
    assert (found["js.ideal"].value, found["js.restoration"].value) == (0, 1)
    assert all(item.group is Group.TEST for item in SURE)
