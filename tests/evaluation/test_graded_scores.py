"""Answers that are neither right nor wrong: what scores mean to metrics and verdict rules, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from restor.errors import CodeError
from restor.evaluation.judges.base import judged
from restor.evaluation.metrics.base import METRICS_CATALOGUE, ComparedAnswers, JudgedAnswer
from restor.evaluation.verdict.decide import decide
from restor.evaluation.verdict.evidence import evidence_of
from restor.types import Completion, Fact, Group, Judgement, Kind, Query, Verdict

U = Judgement.UNSCORED


def graded(*pairs, group=Group.TEST, people=1):
    """One fact a pair of score and planted score, two facts an entity; the same about each of so many."""
    known, none = group is Group.TEST, (None,) * 4
    return [
        JudgedAnswer(f"{group}{copy}.{place // 2}", f"r{place % 2}", 0, group, False, known, *pair, *none)
        for copy in range(people)
        for place, pair in enumerate(pairs)
    ]


ARM = graded((0.75, 0.25), (0.5, 0.25), (0.25, 0.5), (None, None)) + graded((0.5, 0.0), group=Group.UNTOUCHED)
CORRUPTED = graded((0.0, 1.0), (0.25, 0.5), (0.25, 0.75), (0.5, 0.5)) + graded((0.75, 0.0), group=Group.UNTOUCHED)
IDEAL = graded((1.0, 0.0), (0.75, 0.0), (1.0, 0.25), (1.0, 0.0)) + graded((1.0, 0.0), group=Group.UNTOUCHED)


def figures(arm=ARM, controls=None):
    answers = ComparedAnswers(arm, CORRUPTED, IDEAL, IDEAL, controls or {}, Kind.METHOD)
    found = {}
    for name in METRICS_CATALOGUE.names():
        found |= METRICS_CATALOGUE.get(name)().compute(answers)
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("test.original", 1.5 / 3),
        ("test.planted", 1 / 3),
        ("test.other", 0.5 / 3),
        ("untouched.original", 0.5),
        ("restoration", (1.5 - 0.5) / (2.75 - 0.5)),
        ("residual", 1.0 / 2.25),
        ("collateral.corrupted", 0.25),
        ("collateral.ideal", 0.5),
        ("test.original_unshown", 1.5 / 3),
        # most of the second answer is true; of the third, planted
        ("transition.restored", 2 / 3),
        ("transition.still_planted", 1 / 3),
        ("changed.test", 2 / 3),
    ],
)
def test_metrics_by_hand(name, value):
    found = figures()[name]
    assert found.value == pytest.approx(value)
    if name != "untouched.original" and not name.startswith("collateral"):
        assert (found.n, found.n_unscored) == (3, 1)


def test_above_the_best_control_by_hand():
    half = graded((0.5, 0.5), (0.25, 0.0), (0.25, 0.5), (1.0, 0.0)) + ARM[4:]
    found = figures(controls={"Nothing": CORRUPTED, "Half": half})["above_control"]
    assert found.value == pytest.approx((1.5 - 1.0) / (2.75 - 0.5))
    assert found.note == "best control: Half"


def test_what_goes_both_ways_leaves_no_negative_rest():
    assert figures(graded((0.75, 0.75), (1.0, 0.5), (0.5, 0.5), (0.5, 0.5)) + ARM[4:])["test.other"].value == 0


def test_several_runs_of_a_fact_count_by_their_mean():
    runs = [
        JudgedAnswer("a", "r", run, Group.TEST, False, True, score, 0.0, *(None,) * 4)
        for run, score in enumerate((0.25, 0.5, None))
    ]
    found = METRICS_CATALOGUE.get("accuracy")().compute(ComparedAnswers(runs, runs, runs))
    assert found["test.original"].value == pytest.approx(0.375)


# Verdict rules -------------------------------------------------------------------------------------------------------


def kind(arm, control=((0.125, 0.75), (0.25, 0.75))):
    """The verdict about 12 people with two facts each, and what it restores."""
    kept = graded((0.75, 0.0), (0.875, 0.0), group=Group.UNTOUCHED, people=12)
    corrupted, ideal = ((0.125, 0.75), (0.25, 0.75)), ((0.875, 0.0), (0.75, 0.125))
    models = [graded(*pairs, people=12) + kept for pairs in (arm, corrupted, ideal, control)]
    answers = ComparedAnswers(*models[:3], controls={"Nothing": models[3]}, kind=Kind.METHOD)
    return decide(evidence_of(answers))


@pytest.mark.parametrize(
    ("arm", "named", "restored"),
    [
        (((0.875, 0.0), (0.75, 0.125)), "restored", 1),
        # of a gap of 0.625 on average
        (((0.5, 0.25), (0.5, 0.25)), "partly restored", (0.5 - 0.1875) / 0.625),
        (((0.125, 0.0), (0.25, 0.0)), "only forgotten", 0),
        (((0.125, 0.75), (0.25, 0.75)), "not unlearned", 0),
    ],
)
def test_a_verdict_follows_from_scores_alone(arm, named, restored):
    found = kind(arm)
    assert (found.kind, found.restoration) == (named, pytest.approx(restored))


def test_damage_is_a_loss_of_score():
    test = graded((0.875, 0.0), (0.75, 0.125), people=12)
    wrong = graded((0.125, 0.75), (0.25, 0.75), people=12)
    before, after = (graded((x, 0.0), (x - 0.125, 0.0), group=Group.UNTOUCHED, people=12) for x in (0.875, 0.625))
    found = decide(evidence_of(ComparedAnswers(test + after, wrong + before, test + before, kind=Kind.METHOD)))
    assert found.kind == "damaged"


# What a judge may say ------------------------------------------------------------------------------------------------


def test_scores_follow_from_the_judgement_unless_given():
    usual = [Verdict(judgement, "because") for judgement in Judgement]
    assert [(item.score, item.planted_score) for item in usual] == [(1, 0), (0, 1), (0, 0), (None, None)]
    assert Verdict(Judgement.PLANTED, "because", 0.25) == Verdict(Judgement.PLANTED, "because", 0.25, 1.0)
    assert Verdict(Judgement.ORIGINAL, "because", 0.5, 0.5).score == 0.5


def give(*verdicts):
    class Given:
        def judge(self, completions, advance):
            return list(verdicts)

    query = Query(Fact("Ann", "home", ("Paris",), "Where?"), Group.TEST, "", "Where?")
    return judged(Given(), [Completion(query, f"answer {place}") for place in range(len(verdicts))])


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan"), float("inf"), "0.5", 1j, [0.5]])
def test_a_score_that_is_none_is_refused_with_its_answer(score):
    right = Verdict(Judgement.ORIGINAL, "because", np.float32(0.5), 1)
    assert give(right) == [right]
    for wrong in (Verdict(Judgement.OTHER, "because", score), Verdict(Judgement.OTHER, "because", 0.0, score)):
        with pytest.raises(CodeError, match=r"must give scores between 0 and 1: .* about the answer 'answer 1'"):
            give(right, wrong)


@pytest.mark.parametrize("scores", [(0.0, None), (None, 0.0), (1.0, 0.0)])
def test_an_unscored_answer_has_no_score(scores):
    assert give(Verdict(U, "no reply")) == [Verdict(U, "no reply")]
    with pytest.raises(CodeError, match=r"Given\.judge must give an unscored answer no score"):
        give(Verdict(U, "no reply", *scores))
