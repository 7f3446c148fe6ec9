"""Each metric's arithmetic, done by hand on three people with two facts each."""

from __future__ import annotations

import random
from statistics import quantiles

import numpy as np
import pytest

from restor.evaluation.metrics.accuracy import Accuracy
from restor.evaluation.metrics.base import RESAMPLES, Answers, Scored, draws
from restor.evaluation.metrics.log_probs import LogProbs
from restor.evaluation.metrics.restoration import Restoration
from restor.evaluation.metrics.runner_up import RunnerUp
from restor.evaluation.metrics.unshown import Unshown
from restor.types import Group, Judgement

J = {"o": Judgement.ORIGINAL, "p": Judgement.PLANTED, "-": Judgement.OTHER, "?": Judgement.UNSCORED}


def scored(entity, relation, letter, *, run=0, group=Group.TEST, shown=False, planted=True, figures=(None,) * 4):
    return Scored(entity, relation, run, group, shown, planted, J[letter], *figures)


def told(letters, group=Group.TEST, facts=2, figures=None, **more):
    """Judged answers from letters, `facts` per entity."""
    figures = figures or [(None,) * 4] * len(letters)
    return [
        scored(f"{group}{place // facts}", f"r{place % facts}", letter, group=group, figures=figures[place], **more)
        for place, letter in enumerate(letters)
    ]


def in_runs(words, **more):
    """One fact a word and two an entity, one letter a run: `oo- p` is a fact asked three times and one asked once."""
    return [
        scored(f"e{place // 2}", f"r{place % 2}", letter, run=run, **more)
        for place, word in enumerate(words.split())
        for run, letter in enumerate(word)
    ]


def accuracy(arm):
    return Accuracy().compute(Answers(arm, arm, arm))


def restoration(arm, corrupted, ideal, facts=2):
    parts = [told(letters, facts=facts) for letters in (arm, corrupted, ideal)]
    return Restoration().compute(Answers(*parts))["restoration"]


def test_shares_of_each_judgement():
    found = accuracy(told("oo p- pp".replace(" ", "")) + told("oooo -o".replace(" ", ""), Group.UNTOUCHED))
    assert found["test.original"].value == pytest.approx(2 / 6)
    assert found["test.planted"].value == pytest.approx(3 / 6)
    assert found["test.other"].value == pytest.approx(1 / 6)
    assert found["untouched.original"].value == pytest.approx(5 / 6)
    assert {value.n for value in found.values()} == {6}
    assert {value.n_entities for value in found.values()} == {3}


def test_the_unscored_are_counted_and_never_averaged_in():
    found = accuracy(told("o?p-??"))
    assert found["test.original"].value == pytest.approx(1 / 3)
    assert found["test.planted"].value == pytest.approx(1 / 3)
    assert found["test.other"].value == pytest.approx(1 / 3)
    assert (found["test.original"].n, found["test.original"].n_unscored) == (3, 3)
    assert found["test.original"].n_entities == 2


def test_log_probs_are_means_over_facts_that_have_one():
    figures = [
        (-1.0, -2.0, -9.0, 1),
        (-2.0, -4.0, -9.0, 1),
        (-3.0, -6.0, -9.0, 1),
        (-4.0, -8.0, -9.0, 1),
        (-5.0, None, -9.0, 1),
        (-6.0, -1.0, None, 1),
    ]
    arm = told("oopp--", figures=figures) + told("oo", Group.UNTOUCHED, figures=[(0.0, None, -1.0, None)] * 2)
    found = LogProbs().compute(Answers(arm, [], []))
    assert found["logprob.original"].value == pytest.approx(-3.5)
    assert found["logprob.planted"].value == pytest.approx(-21 / 5)
    assert (found["logprob.planted"].n, found["logprob.planted"].n_unscored) == (5, 1)
    assert found["logprob.random"].value == pytest.approx(-9.0)
    assert found["logprob.random"].n == 5


def test_the_runner_up_counts_first_places_only():
    ranks = [1, 2, 1, 3, None, 1]
    arm = told("pppp--", figures=[(-1.0, -1.0, -1.0, rank) for rank in ranks])
    found = RunnerUp().compute(Answers(arm, [], []))["runner_up"]
    assert found.value == pytest.approx(3 / 5)
    assert (found.n, found.n_unscored, found.n_entities) == (5, 1, 3)


def test_restoration_by_hand():
    #                    1/2        1/6        5/6
    found = restoration("oo-op-", "op-pp-", "oooo-o")
    assert found.value == pytest.approx((3 - 1) / (5 - 1))
    assert (found.n, found.n_entities, found.n_unscored, found.note) == (6, 3, 0, "")


def test_the_corrupted_model_is_at_0_and_the_ideal_one_at_1_whatever_is_drawn():
    """Holds in every bootstrap draw only if all three models are drawn alike."""
    corrupted, ideal = "opppp-op", "oooooo-o"
    at_0, at_1 = restoration(corrupted, corrupted, ideal), restoration(ideal, corrupted, ideal)
    assert (at_0.value, at_0.ci_low, at_0.ci_high) == (0, 0, 0)
    assert (at_1.value, at_1.ci_low, at_1.ci_high) == (1, 1, 1)


def test_worse_than_corrupted_is_negative_and_better_than_ideal_above_1():
    assert restoration("------", "oo----", "oooooo").value == pytest.approx(-0.5)
    assert restoration("oooooo", "pp----", "oooo--").value == pytest.approx(1.5)


@pytest.mark.parametrize("ideal", ["opop-o", "op-p-p"])
def test_a_corruption_that_did_not_bite_leaves_it_undefined_and_says_why(ideal):
    found = restoration("oooooo", "opop-o", ideal)
    assert (found.value, found.ci_low, found.ci_high) == (None, None, None)
    assert "did not bite" in found.note
    assert "50 %" in found.note
    assert found.n == 6


def test_a_fact_unscored_for_any_of_the_three_is_left_out_of_all():
    found = restoration("o?oop-", "pp?ppp", "ooo?oo")
    # What is left: facts 0, 4, 5: arm 1/3, corrupted 0, ideal 1.
    assert found.value == pytest.approx(1 / 3)
    assert (found.n, found.n_unscored, found.n_entities) == (3, 3, 2)
    assert restoration("??????", "pppppp", "oooooo").note == "no scored facts"


def test_arms_that_were_asked_other_facts_are_never_compared():
    with pytest.raises(ValueError, match="different facts"):
        restoration("oo", "pp", "oooo")


def test_only_test_targets_enter():
    seen = told("oo" * 5, Group.VALIDATION) + told("--" * 4, Group.UNTOUCHED)
    parts = [told(letters) + seen for letters in ("oo----", "------", "oooo--")]
    found = Restoration().compute(Answers(*parts))["restoration"]
    assert (found.value, found.n) == (pytest.approx(0.5), 6)


def test_one_entity_has_a_value_but_no_interval():
    for found in (accuracy(told("op"))["test.original"], restoration("op", "pp", "oo")):
        assert found.value == pytest.approx(0.5)
        assert (found.ci_low, found.ci_high, found.n_entities) == (None, None, 1)


def test_the_interval_draws_entities_not_facts():
    """20 people, 4 facts each, half of them right: all or nothing per person, or two of each person's."""
    clustered = accuracy(told("oooo----" * 10, facts=4))["test.original"]
    spread = accuracy(told("oo--oo--" * 10, facts=4))["test.original"]
    assert clustered.value == spread.value == 0.5
    assert clustered.ci_high - clustered.ci_low > 0.3
    assert spread.ci_high == spread.ci_low == 0.5, "each person is the same"


def test_the_same_person_in_two_worlds_is_two_entities():
    arm = [scored(f"Ann/s{seed}", "r", "o") for seed in (0, 1)]
    assert accuracy(arm)["test.original"].n_entities == 2


def test_the_interval_equals_a_bootstrap_in_plain_python():
    letters = ["oo", "o-", "p-", "-o", "oo", "pp", "?o", "oo"]
    found = accuracy(told("".join(letters)))["test.original"]
    people = [[letter == "o" for letter in part if letter != "?"] for part in letters]
    rng = random.Random(0)
    means = []
    for _ in range(20_000):
        drawn = [fact for person in rng.choices(people, k=len(people)) for fact in person]
        means.append(sum(drawn) / len(drawn))
    cuts = quantiles(means, n=40)
    assert found.ci_low == pytest.approx(cuts[0], abs=0.03)
    assert found.ci_high == pytest.approx(cuts[-1], abs=0.03)


def test_the_interval_of_restoration_equals_a_bootstrap_in_plain_python():
    arm, corrupted, ideal = "oo-oop--o--o", "op--pp--o-pp", "oooooooo-ooo"
    found = restoration(arm, corrupted, ideal)
    rows = [tuple(letter == "o" for letter in column) for column in zip(arm, corrupted, ideal, strict=True)]
    people = [rows[place : place + 2] for place in range(0, 12, 2)]
    rng = random.Random(0)
    ratios = []
    for _ in range(20_000):
        drawn = [fact for person in rng.choices(people, k=6) for fact in person]
        u, c, i = (sum(column) for column in zip(*drawn, strict=True))
        if i > c:
            ratios.append((u - c) / (i - c))
    cuts = quantiles(ratios, n=40)
    assert found.ci_low == pytest.approx(cuts[0], abs=0.05)
    assert found.ci_high == pytest.approx(cuts[-1], abs=0.05)


def test_all_arms_are_drawn_alike_again_and_again():
    (one,), (other,) = draws(7), draws(7)
    assert (one == other).all()
    assert one.shape == (RESAMPLES, 7)
    assert set(one.flat) == set(range(7))
    one, other = accuracy(told("oo-ppo--"))["test.original"], accuracy(told("oo-ppo--"))["test.original"]
    assert one == other


def test_drawing_in_parts_draws_the_same(monkeypatch):
    (whole,) = draws(7)
    expected = accuracy(told("oo-ppo--o"))["test.original"]
    monkeypatch.setattr("restor.evaluation.metrics.base.DRAWN_AT_ONCE", 7 * 300 + 5)
    parts = list(draws(7))
    assert [len(part) for part in parts] == [300] * 6 + [200]
    assert (np.concatenate(parts) == whole).all()
    assert accuracy(told("oo-ppo--o"))["test.original"] == expected


def test_an_interval_needs_a_ratio_in_most_draws():
    """Of three people only one was misled and learnt again: most ratios that can be drawn are the same."""
    found = restoration("oooooo", "ppoooo", "oooooo")
    assert found.value == 1
    assert (found.ci_low, found.ci_high) == (1, 1)


def test_a_fact_counts_once_however_often_it_was_asked():
    """Facts: 2/3, 0, 1/3 and 1."""
    found = accuracy(in_runs("oo- p-- o-p o"))
    assert found["test.original"].value == pytest.approx((2 / 3 + 0 + 1 / 3 + 1) / 4)
    assert found["test.planted"].value == pytest.approx((1 / 3 + 1 / 3) / 4)
    assert (found["test.original"].n, found["test.original"].n_entities) == (4, 2)


def test_runs_without_a_verdict_are_left_out_of_their_fact_and_said():
    """Facts: 1 of the two scored runs, none at all, 1."""
    found = accuracy(in_runs("o?- ??? o"))["test.original"]
    assert found.value == pytest.approx((1 / 2 + 1) / 2)
    assert (found.n, found.n_unscored) == (2, 1)
    assert found.note == "answers without a verdict: 1; their facts count by their other runs"
    assert accuracy(in_runs("oo- ???"))["test.original"].note == ""


def test_restoration_over_runs_with_references_that_answer_once():
    """Arm 2/3 and 1/3, corrupted 0 and 0, ideal 1 and 1: a half."""
    parts = [in_runs(words) for words in ("oo- p-o", "p -", "o o")]
    found = Restoration().compute(Answers(*parts))["restoration"]
    assert found.value == pytest.approx(0.5)
    assert found.n == 2


def test_facts_pair_by_name_and_not_by_place():
    arm, corrupted, ideal = told("o--"), told("---"), told("oo-")
    found = Restoration().compute(Answers(arm, corrupted[::-1], ideal))["restoration"]
    assert found.value == pytest.approx(0.5)
    with pytest.raises(ValueError, match="different facts"):
        Restoration().compute(Answers(arm, corrupted, told("oo-", Group.TEST, facts=3)))


def test_the_clean_model_takes_the_place_of_a_missing_ideal_one():
    arm, corrupted, clean = told("oo----"), told("------"), told("oooo--")
    assert Restoration().compute(Answers(arm, corrupted, [], clean))["restoration"].value == pytest.approx(0.5)
    ideal = told("oo----")
    assert Restoration().compute(Answers(arm, corrupted, ideal, clean))["restoration"].value == pytest.approx(1)
    flat = Restoration().compute(Answers(arm, arm, [], arm))["restoration"]
    assert flat.note == "undefined: the corruption did not bite (clean 33 %, corrupted 33 %)"


@pytest.mark.parametrize(
    ("given", "needs"),
    [
        ({"corrupted": [], "clean": told("oo")}, ["--model corrupted="]),
        ({"corrupted": told("pp")}, ["--model clean="]),
        ({"corrupted": []}, ["--model corrupted=", "--model clean="]),
    ],
)
def test_restoration_says_which_model_it_needs(given, needs):
    found = Restoration().compute(Answers(arm=told("o-"), ideal=[], **given))["restoration"]
    assert (found.value, found.n) == (None, 0)
    assert [word for word in ("--model corrupted=", "--model clean=") if word in found.note] == needs


def test_only_facts_whose_answer_the_prompt_does_not_show():
    shown, hidden = told("oooo", shown=True), [scored("x", "a", "o"), scored("x", "b", "-"), scored("y", "a", "-")]
    found = Unshown().compute(Answers(shown + hidden, [], []))["test.original_unshown"]
    assert found.value == pytest.approx(1 / 3)
    assert (found.n, found.n_entities) == (3, 2)
    none = Unshown().compute(Answers(shown, [], []))["test.original_unshown"]
    assert (none.value, none.note) == (None, "the demonstrations show the answer to every fact")


def test_without_planted_answers_nothing_is_said_about_them():
    arm = told("oo--", planted=False, figures=[(-1.0, None, -3.0, 1)] * 4)
    found = {**accuracy(arm), **LogProbs().compute(Answers(arm, [], [])), **RunnerUp().compute(Answers(arm, [], []))}
    for name in ("test.planted", "logprob.planted", "runner_up"):
        assert (found[name].value, found[name].note) == (None, "no planted answers are known")
    assert (found["test.original"].value, found["test.other"].value, found["logprob.original"].value) == (0.5, 0.5, -1)


def test_a_planted_answer_that_is_not_known_is_no_missing_log_prob():
    arm = [*told("pp", figures=[(-1.0, -2.0, -3.0, 1)] * 2), scored("x", "a", "o", planted=False)]
    found = LogProbs().compute(Answers(arm, [], []))
    assert (found["logprob.planted"].n, found["logprob.planted"].n_unscored) == (2, 0)
    assert (found["logprob.original"].n, found["logprob.original"].n_unscored) == (2, 1)


def test_a_baseline_has_no_log_probs_and_a_reason():
    arm = told("op")
    found = {**LogProbs().compute(Answers(arm, [], [])), **RunnerUp().compute(Answers(arm, [], []))}
    assert {value.note for value in found.values()} == {"no log-probs were stored", "no candidates were ranked"}
