"""How long a run may still take."""

from __future__ import annotations

import pytest

from heard import Clock
from restor.progress import SETTLED, Course


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def course(clock):
    return Course(clock)


def test_a_long_training_says_nothing_of_the_short_stages_that_follow(course, clock):
    course.expect({"judge": 30, "unlearn": 29}, {})
    course.begin("clean", "", 1, 60)
    course.end(False, 600)
    course.expect({"judge": 29, "unlearn": 29}, {})
    course.begin("judge", "", 2, 60)
    # The mean of what has run would be 59 x 600 s, nearly ten hours.
    assert course.seconds_left is None
    course.end(False, 1)
    course.expect({"judge": 29, "unlearn": 28}, {})
    course.begin("unlearn", "", 3, 60)
    clock.now += 1
    course.advance(1, 30, None)
    clock.now += 5
    course.advance(6, 30, None)
    assert course.seconds_left is None, "no unlearning was ever finished"
    assert course.stage_left == pytest.approx(24)
    course.end(False, 40)
    course.expect({"judge": 28, "unlearn": 28}, {})
    course.begin("judge", "", 4, 60)
    assert course.seconds_left == pytest.approx(1 + 28 * 1 + 28 * 40)


def test_what_the_store_knows_is_told_from_the_start_until_this_run_knows_better(course, clock):
    usual = {"clean": 60.0, "unlearn": 10.0}
    course.expect({"unlearn": 3}, usual)
    course.begin("clean", "", 1, 4)
    clock.now += 20
    assert course.seconds_left == pytest.approx(40 + 3 * 10)
    clock.now += 60
    assert course.seconds_left == pytest.approx(3 * 10), "it takes longer than usual, and nobody knows how long"
    course.end(False, 80)
    course.expect({"unlearn": 2}, usual)
    course.begin("unlearn", "", 2, 4)
    course.end(False, 20)
    assert course.seconds_left == pytest.approx(2 * 20)


def test_the_pace_is_that_of_the_steps_and_not_of_what_came_before_them(course, clock):
    course.begin("unlearn", "", 1, 1)
    clock.now += 30  # loads libraries and weights, and takes up what a killed run had done
    course.advance(501, 600, None)
    assert course.stage_left is None
    clock.now += SETTLED / 2
    course.advance(502, 600, None)
    assert course.stage_left is None, "too early to tell"
    clock.now += 9
    course.advance(511, 600, None)
    assert course.stage_left == pytest.approx(89)
    clock.now += 4
    assert course.stage_left == pytest.approx(85), "it counts down between steps"
    course.advance(600, 600, None)
    assert course.stage_left == 0


def test_a_second_training_within_a_stage_has_a_pace_of_its_own(course, clock):
    course.begin("unlearn", "", 1, 1)
    for done in (1, 50, 100):
        course.advance(done, 100, None)
        clock.now += 10
    course.advance(1, 20, None)
    assert course.stage_left is None
    clock.now += 4
    course.advance(3, 20, None)
    assert course.stage_left == pytest.approx(17 * 2)


def test_without_a_plan_the_rest_is_taken_to_be_of_the_same_kind(course):
    course.begin("wikidata", "", 1, 5)
    assert course.seconds_left is None
    course.end(False, 2)
    course.begin("wikidata", "", 2, 5)
    course.end(False, 4)
    assert course.seconds_left == pytest.approx(3 * 3)


def test_stages_that_had_been_finished_do_not_count(course):
    course.begin("clean", "", 1, 2)
    course.end(True, 30)
    assert course.seconds_left is None


def test_a_stage_that_failed_says_nothing_of_its_kind(course):
    course.expect({"unlearn": 2}, {"unlearn": 10.0})
    course.begin("unlearn", "", 1, 3)
    course.fail()
    assert course.seconds_left == pytest.approx(20)
