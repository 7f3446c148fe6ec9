"""Each metric's arithmetic, done by hand on three people with two facts each."""

from __future__ import annotations

import math
from statistics import stdev

import pytest

from restor.evaluation.metrics.accuracy import Accuracy
from restor.evaluation.metrics.base import ComparedAnswers, JudgedAnswer, clusters_of
from restor.evaluation.metrics.log_probs import LogProbs
from restor.evaluation.metrics.restoration import Restoration
from restor.evaluation.metrics.runner_up import RunnerUp
from restor.evaluation.metrics.unshown import Unshown
from restor.types import SCORES, Group, Judgement

J = {"o": Judgement.ORIGINAL, "p": Judgement.PLANTED, "-": Judgement.OTHER, "?": Judgement.UNSCORED}


def scored(
    entity, relation, letter, *, run=0, group=Group.TEST, shown=False, planted=True, figures=(None,) * 4, seed=0
):
    return JudgedAnswer(entity, relation, run, group, shown, planted, *SCORES[J[letter]], *figures, seed=seed)


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
    return Accuracy().compute(ComparedAnswers(arm, arm, arm))


def restoration(arm, corrupted, ideal, facts=2):
    parts = [told(letters, facts=facts) for letters in (arm, corrupted, ideal)]
    return Restoration().compute(ComparedAnswers(*parts))["restoration"]


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
    found = LogProbs().compute(ComparedAnswers(arm, [], []))
    assert found["logprob.original"].value == pytest.approx(-3.5)
    assert found["logprob.planted"].value == pytest.approx(-21 / 5)
    assert (found["logprob.planted"].n, found["logprob.planted"].n_unscored) == (5, 1)
    assert found["logprob.random"].value == pytest.approx(-9.0)
    assert found["logprob.random"].n == 5


def test_the_runner_up_counts_first_places_only():
    ranks = [1, 2, 1, 3, None, 1]
    arm = told("pppp--", figures=[(-1.0, -1.0, -1.0, rank) for rank in ranks])
    found = RunnerUp().compute(ComparedAnswers(arm, [], []))["runner_up"]
    assert found.value == pytest.approx(3 / 5)
    assert (found.n, found.n_unscored, found.n_entities) == (5, 1, 3)


def test_restoration_by_hand():
    #                    1/2        1/6        5/6
    found = restoration("oo-op-", "op-pp-", "oooo-o")
    assert found.value == pytest.approx((3 - 1) / (5 - 1))
    assert (found.n, found.n_entities, found.n_unscored, found.note) == (6, 3, 0, "")


def test_the_corrupted_model_is_at_0_and_the_ideal_one_at_1_by_definition():
    corrupted, ideal = told("opppp-op"), told("oooooo-o")
    for arm, value in ((corrupted, 0), (ideal, 1)):
        found = Restoration().compute(ComparedAnswers(arm, corrupted, ideal))["restoration"]
        assert (found.value, found.ci_low, found.ci_high) == (value, value, value)


def test_another_model_with_the_same_answers_is_no_certainty():
    found = restoration("oooooo-o", "opppp-op", "oooooo-o")
    assert found.value == 1
    assert found.ci_low < 1 < found.ci_high


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
    found = Restoration().compute(ComparedAnswers(*parts))["restoration"]
    assert (found.value, found.n) == (pytest.approx(0.5), 6)


def test_one_entity_has_a_value_but_no_interval():
    for found in (accuracy(told("op"))["test.original"], restoration("op", "pp", "oo")):
        assert found.value == pytest.approx(0.5)
        assert (found.ci_low, found.ci_high, found.n_entities) == (None, None, 1)


def test_the_interval_is_over_entities_not_facts():
    """20 people, 4 facts each, half of them right: all or nothing per person, or two of each person's."""
    clustered = accuracy(told("oooo----" * 10, facts=4))["test.original"]
    spread = accuracy(told("oo--oo--" * 10, facts=4))["test.original"]
    assert clustered.value == spread.value == 0.5
    assert clustered.ci_high - clustered.ci_low > 0.35
    assert spread.ci_high - spread.ci_low < 0.25, "no more than of independent facts"


@pytest.mark.parametrize(("letters", "value"), [("oo" * 20, 1), ("--" * 20, 0)])
def test_all_right_and_all_wrong_are_no_certainty(letters, value):
    found = accuracy(told(letters))["test.original"]
    assert found.value == value
    assert 0 <= found.ci_low <= value <= found.ci_high <= 1
    assert 0.05 < found.ci_high - found.ci_low < 0.2


def test_seeds_are_a_second_level():
    """Three worlds of ten people: the interval is that of three seeds, and not that of thirty people."""
    words = {0: "oooo" * 5, 1: "oo--" * 5, 2: "----" * 5}
    arm = [
        scored(
            f"p{seed}.{place // 2}", f"r{place % 2}", letter, seed=seed, figures=(float(letter == "o"), *(None,) * 3)
        )
        for seed, word in words.items()
        for place, letter in enumerate(word)
    ]
    found = LogProbs().compute(ComparedAnswers(arm, [], []))["logprob.original"]
    reach = 4.302653 * stdev([1, 0.5, 0]) / math.sqrt(3)
    assert (found.value, found.n_entities) == (0.5, 30)
    assert (found.ci_low, found.ci_high) == pytest.approx((0.5 - reach, 0.5 + reach), rel=1e-5)


def test_people_that_all_seeds_ask_about_are_the_same_and_a_shared_name_is_not():
    shared = clusters_of(tuple((name, "r", seed) for seed in (0, 1) for name in "abc"))
    assert (shared.n_entities, shared.crossed) == (3, True)
    worlds = clusters_of(tuple((name, "r", seed) for seed, names in ((0, "abcd"), (1, "aefg")) for name in names))
    assert (worlds.n_entities, worlds.crossed) == (8, False)


def test_the_interval_of_a_log_prob_by_hand():
    figures = [(value, None, None, None) for value in (-1.0, -2.0, -1.5, -3.5, -4.0, -3.0)]
    found = LogProbs().compute(ComparedAnswers(told("oooooo", figures=figures), [], []))["logprob.original"]
    reach = 4.302653 * stdev([-1.5, -2.5, -3.5]) / math.sqrt(3)
    assert (found.ci_low, found.ci_high) == pytest.approx((-2.5 - reach, -2.5 + reach), rel=1e-5)


def test_where_leaving_out_one_person_leaves_nothing_to_restore_there_is_no_interval():
    found = restoration("oooooo", "ppoooo", "oooooo")
    assert (found.value, found.ci_low) == (1, None)
    assert "so much depends on it" in found.note


def test_one_seed_is_no_footnote():
    found = accuracy(told("oo-ppo--"))
    assert {value.note for value in found.values() if value.value is not None} == {""}


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
    found = Restoration().compute(ComparedAnswers(*parts))["restoration"]
    assert found.value == pytest.approx(0.5)
    assert found.n == 2


def test_facts_pair_by_name_and_not_by_place():
    arm, corrupted, ideal = told("o--"), told("---"), told("oo-")
    found = Restoration().compute(ComparedAnswers(arm, corrupted[::-1], ideal))["restoration"]
    assert found.value == pytest.approx(0.5)
    with pytest.raises(ValueError, match="different facts"):
        Restoration().compute(ComparedAnswers(arm, corrupted, told("oo-", Group.TEST, facts=3)))


def test_the_clean_model_takes_the_place_of_a_missing_ideal_one():
    arm, corrupted, clean = told("oo----"), told("------"), told("oooo--")
    assert Restoration().compute(ComparedAnswers(arm, corrupted, [], clean))["restoration"].value == pytest.approx(0.5)
    ideal = told("oo----")
    assert Restoration().compute(ComparedAnswers(arm, corrupted, ideal, clean))["restoration"].value == pytest.approx(1)
    towards = Restoration().compute(ComparedAnswers(arm, corrupted, ideal, clean))["restoration.clean"]
    assert towards.value == pytest.approx(0.5), "towards the clean model, whether there is an ideal one or not"
    flat = Restoration().compute(ComparedAnswers(arm, arm, [], arm))["restoration"]
    assert flat.note == "undefined: the corruption did not bite (clean 33 %, corrupted 33 %)"
    ignorant = told("------")
    unknown = Restoration().compute(ComparedAnswers(ignorant, ignorant, [], ignorant))["restoration"]
    assert unknown.note == "undefined: the clean model knows hardly any of these facts (0 %)"


@pytest.mark.parametrize(
    ("given", "needs"),
    [
        ({"corrupted": [], "clean": told("oo")}, ["--model corrupted="]),
        ({"corrupted": told("pp")}, ["--model clean="]),
        ({"corrupted": []}, ["--model corrupted=", "--model clean="]),
    ],
)
def test_restoration_says_which_model_it_needs(given, needs):
    found = Restoration().compute(ComparedAnswers(arm=told("o-"), ideal=[], **given))["restoration"]
    assert (found.value, found.n) == (None, 0)
    assert [word for word in ("--model corrupted=", "--model clean=") if word in found.note] == needs


def test_only_facts_whose_answer_the_prompt_does_not_show():
    shown, hidden = told("oooo", shown=True), [scored("x", "a", "o"), scored("x", "b", "-"), scored("y", "a", "-")]
    found = Unshown().compute(ComparedAnswers(shown + hidden, [], []))["test.original_unshown"]
    assert found.value == pytest.approx(1 / 3)
    assert (found.n, found.n_entities) == (3, 2)
    none = Unshown().compute(ComparedAnswers(shown, [], []))["test.original_unshown"]
    assert (none.value, none.note) == (None, "the demonstrations show the answer to every fact")


def test_without_planted_answers_nothing_is_said_about_them():
    arm = told("oo--", planted=False, figures=[(-1.0, None, -3.0, 1)] * 4)
    found = {
        **accuracy(arm),
        **LogProbs().compute(ComparedAnswers(arm, [], [])),
        **RunnerUp().compute(ComparedAnswers(arm, [], [])),
    }
    for name in ("test.planted", "logprob.planted", "runner_up"):
        assert (found[name].value, found[name].note) == (None, "no planted answers are known")
    assert (found["test.original"].value, found["test.other"].value, found["logprob.original"].value) == (0.5, 0.5, -1)


def test_a_planted_answer_that_is_not_known_is_no_missing_log_prob():
    arm = [*told("pp", figures=[(-1.0, -2.0, -3.0, 1)] * 2), scored("x", "a", "o", planted=False)]
    found = LogProbs().compute(ComparedAnswers(arm, [], []))
    assert (found["logprob.planted"].n, found["logprob.planted"].n_unscored) == (2, 0)
    assert (found["logprob.original"].n, found["logprob.original"].n_unscored) == (2, 1)


def test_a_baseline_has_no_log_probs_and_a_reason():
    arm = told("op")
    found = {**LogProbs().compute(ComparedAnswers(arm, [], [])), **RunnerUp().compute(ComparedAnswers(arm, [], []))}
    assert {value.note for value in found.values()} == {"no log-probs were stored", "no candidates were ranked"}
