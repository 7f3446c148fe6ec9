"""How long a run may still take."""

from __future__ import annotations

import pytest

from restor.progress import Course


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_estimate_covers_the_whole_study():
    clock = Clock()
    course = Course(clock)
    course.begin("clean", "", 1, 5)
    assert course.seconds_left is None
    clock.now += 10
    course.advance(5, 10, None)
    assert course.stage_left == pytest.approx(10)
    assert course.seconds_left is None, "nothing is known of the later stages"
    course.end(False, 20)
    for number, seconds in ((2, 2), (3, 4)):
        course.begin("unlearn", "", number, 5)
        course.end(False, seconds)
    # The longest, 20 s, is left out: 3 s for each of the two that remain.
    assert course.seconds_left == pytest.approx(6)
    course.begin("evaluate", "", 4, 5)
    clock.now += 1
    assert course.seconds_left == pytest.approx(2 + 3)
    course.advance(1, 5, None)
    assert course.seconds_left == pytest.approx(4 + 3)


def test_stages_that_had_been_finished_do_not_count():
    course = Course(Clock())
    course.begin("clean", "", 1, 2)
    course.end(True, 30)
    assert course.seconds_left is None
