"""What a selection asks, when an attempt ends, and what is chosen: by hand, with made-up scores."""

from __future__ import annotations

import pytest

from restor.domains.miniature import Miniature, MiniatureConfig
from restor.errors import DataError
from restor.evaluation.config import EvaluationConfig
from restor.selection.questions import validation_protocol, validation_queries
from restor.selection.trial import Chosen, Mark, Trial
from restor.selection.validation import (
    Shares,
    TrialTrace,
    best_of,
    mark_steps,
    mean_marks,
)
from restor.types import FalseFact, Group


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (60, (10, 20, 30, 40, 50, 60)),
        (20, (4, 7, 10, 14, 17, 20)),  # 3.33, 6.67, 10, 13.33, 16.67, 20, rounded up
        (3, (1, 2, 3)),
        (1, (1,)),
        (0, ()),
    ],
)
def test_a_training_is_looked_at_six_times_and_at_its_end(steps, expected):
    assert mark_steps(steps) == expected


def traced(*answers: tuple[int, float, float], corrupted: float = 0.9) -> TrialTrace:
    trace = TrialTrace(corrupted=Shares(original=0.1, untouched=corrupted))
    for step, original, untouched in answers:
        trace = trace.with_mark(step, Shares(original=original, untouched=untouched))
    return trace


def test_the_score_is_what_came_back_less_what_others_lost():
    trace = traced((10, 0.5, 0.9), (20, 0.6, 0.7), (30, 0.4, 1.0))
    # 0.5 - 0; 0.6 - (0.9 - 0.7); 0.4 - 0, since a gain of the untouched facts is no merit of an unlearning.
    assert [mark.score for mark in trace.marks] == [0.5, 0.4, 0.4]


@pytest.mark.parametrize(
    ("scores", "stalled"),
    [
        ([], False),
        ([0.1], False),
        ([0.3, 0.2], False),
        ([0.3, 0.2, 0.1], True),
        ([0.3, 0.2, 0.31], False),
        ([0.3, 0.3, 0.3], True),  # as good is not better
        ([0.1, 0.2, 0.1, 0.3, 0.2], False),
        ([0.1, 0.2, 0.1, 0.1], True),
        ([-0.5, -0.4, -0.3], False),
    ],
)
def test_it_ends_when_the_score_has_not_improved_for_two_marks(scores, stalled):
    trace = traced(*((10 * place, score, 0.9) for place, score in enumerate(scores, 1)))
    assert trace.stalled is stalled


def test_an_early_end_says_since_when_nothing_got_better():
    trace = traced((10, 0.2, 0.9), (20, 0.4, 0.9), (30, 0.4, 0.9), (40, 0.3, 0.9)).ended_early()
    assert trace.ended == "early"
    assert trace.note == "ended after step 40: no better score since step 20"


# The choice ----------------------------------------------------------------------------------------------------------


def trial(point: int, lr: float, marks: dict[int, float], *, steps: int = 60, seed: int = 0, ended="complete") -> Trial:
    return Trial(
        arm="npo",
        retain="related",
        seed=seed,
        point=point,
        lr=lr,
        steps=steps,
        options={"beta": point},
        marks=tuple(Mark(step=step, score=score, original=score, untouched=0.9) for step, score in marks.items()),
        ended=ended,
    )


def test_the_best_mark_of_all_points_is_chosen_and_is_where_training_stops():
    best = best_of(
        [trial(0, 1e-3, {10: 0.2, 20: 0.5, 30: 0.4, 40: 0.4}), trial(1, 2e-3, {10: 0.3, 20: 0.4, 30: 0.49, 60: 0.1})]
    )
    assert best.chosen == Chosen(lr=1e-3, steps=60, stop=20, options={"beta": 0})
    assert best.mark.score == 0.5


def test_the_last_mark_needs_no_stop():
    assert best_of([trial(3, 1e-3, {30: 0.2, 60: 0.5})]).chosen == Chosen(lr=1e-3, steps=60, options={"beta": 3})


def test_of_equal_scores_the_gentler_is_chosen():
    fewer = [trial(0, 1e-4, {30: 0.5}), trial(1, 1e-3, {20: 0.5}), trial(2, 1e-3, {60: 0.5})]
    assert best_of(fewer).trial.point == 1
    slower = [trial(0, 2e-3, {20: 0.5}), trial(1, 1e-3, {20: 0.5, 40: 0.5}), trial(2, 3e-3, {20: 0.5})]
    best = best_of(slower)
    assert (best.trial.point, best.stop) == (1, 20)
    # Where a training of 20 steps ends by itself, it is as gentle as one of 60 that is stopped there.
    assert best_of([trial(0, 1e-3, {20: 0.5}), trial(1, 5e-4, {20: 0.5}, steps=20)]).chosen.stop is None


def test_several_worlds_count_equally_where_all_of_them_got_to():
    worlds = [
        trial(0, 1e-3, {10: 0.1, 20: 0.6, 30: 0.9}, seed=0),
        trial(0, 1e-3, {10: 0.5, 20: 0.2}, seed=1, ended="failed"),
    ]
    assert [(mark.step, mark.score) for mark in mean_marks(worlds)] == [(10, 0.3), (20, 0.4)]
    rival = [trial(1, 1e-4, {10: 0.39}, seed=0), trial(1, 1e-4, {10: 0.39}, seed=1)]
    best = best_of([*worlds, *rival])
    assert (best.trial.point, best.stop, best.mark.score) == (0, 20, 0.4)


def test_a_failure_after_a_good_mark_does_not_take_it_away_and_before_any_mark_leaves_nothing():
    assert best_of([trial(0, 1e-3, {10: 0.3}, ended="failed"), trial(1, 1e-3, {}, ended="failed")]).stop == 10
    assert best_of([trial(1, 1e-3, {}, ended="failed")]) is None
    # One world without any mark: the point is not known there.
    assert best_of([trial(0, 1e-3, {10: 0.3}, seed=0), trial(0, 1e-3, {}, seed=1, ended="failed")]) is None


# What is asked -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asked():
    domain = Miniature(MiniatureConfig(people=40, values=8, seed=0))
    names = list(domain.subjects)
    groups = {names[0]: Group.VALIDATION, names[1]: Group.TEST, names[2]: Group.VALIDATION}
    planted = {
        fact.key: FalseFact(fact, next(value for value in domain.values(fact.relation) if value not in fact.answers))
        for name in groups
        for fact in domain.facts_about(name)
    }
    evaluation = validation_protocol(EvaluationConfig(shots=3, protocol="published", runs=3), 17)
    return domain, groups, planted, evaluation, validation_queries(domain, planted, groups, evaluation, seed=0)


def test_no_test_fact_is_among_the_questions_or_the_demonstrations(asked):
    domain, groups, _, _, queries = asked
    tested = {name for name, group in groups.items() if group is Group.TEST}
    assert not any(query.fact.subject in tested for query in queries)
    assert not any(query.group is Group.TEST for query in queries)
    for query in queries:
        assert not any(name in query.prefix for name in groups)
    validated = {query.fact.key for query in queries if query.group is Group.VALIDATION}
    assert validated == {
        fact.key for name, group in groups.items() if group is Group.VALIDATION for fact in domain.facts_about(name)
    }
    assert sum(query.group is Group.UNTOUCHED for query in queries) == 17


def test_answers_are_greedy_whatever_the_study_asks(asked):
    assert asked[3].protocol == "restor"
    assert asked[3].answers == 1


def test_the_untouched_facts_are_the_same_each_time(asked):
    domain, groups, planted, evaluation, queries = asked
    again = validation_queries(domain, planted, groups, evaluation, seed=0)
    other = validation_queries(domain, planted, groups, evaluation, seed=1)
    assert [query.fact.key for query in again] == [query.fact.key for query in queries]
    assert {query.fact.key for query in other} != {query.fact.key for query in queries}


def test_nothing_planted_about_the_validation_entities_is_told(asked):
    domain, groups, planted, evaluation, _ = asked
    tests = {key: item for key, item in planted.items() if groups[item.fact.subject] is Group.TEST}
    with pytest.raises(DataError, match="2 validation entities"):
        validation_queries(domain, tests, groups, evaluation, seed=0)
