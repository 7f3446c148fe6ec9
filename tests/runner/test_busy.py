"""Other work on the machine is noticed while ours goes on, and told once."""

from __future__ import annotations

import pytest
import torch

import restor.runner.threads as threads_module
from heard import Clock, Heard
from restor.runner.busy import AGAIN, CONFIRMED, EVERY, FIRST, CoreWatch
from restor.runner.threads import slowdown


def watched(*ratios, threads=2):
    """A watch that finds these slowdowns, one after the other, and what it tells."""
    clock, heard, left = Clock(), Heard(), list(ratios)
    looked = []

    def look(count):
        looked.append(clock.now)
        assert count == threads
        return left.pop(0)

    return CoreWatch(heard, threads, clock, look), clock, heard, looked


def test_taken_cores_are_told_once_with_a_remedy():
    watch, clock, heard, looked = watched(0.6, 9.0, 8.0, 6.25)
    watch.begin("clean", "seed 0", 1, 2)
    for second in range(300):
        clock.now += 1
        watch.advance(second, 300, 1.0)
    (note,) = heard.notes
    assert "2 threads take 6.2 times as long as 1" in note
    assert "--threads 1" in note
    assert "Wait" in note
    first = 100 + FIRST
    assert looked == [first, first + EVERY, first + EVERY + AGAIN, first + EVERY + 2 * AGAIN]


def test_short_work_of_others_is_not_told():
    pattern = ([9.0] * (CONFIRMED - 1) + [0.7]) * 3
    watch, clock, heard, looked = watched(*pattern)
    while len(looked) < len(pattern):
        clock.now += 1
        watch.advance(1, 2, None)
    assert heard.notes == []


def test_with_one_thread_nothing_is_looked_at():
    watch, clock, heard, looked = watched(threads=1)
    clock.now += 10_000
    watch.advance(1, 2, None)
    assert (looked, heard.notes) == ([], [])


def test_everything_is_passed_on():
    watch, _, heard, _ = watched()
    watch.expect({"judge": 1}, {"judge": 2.0})
    watch.begin("clean", "seed 0", 1, 2)
    watch.advance(3, 4, 0.5)
    watch.end(False, 1.5)
    watch.fail("a reason")
    watch.note("a note")
    assert heard.notes == ["a note"]
    assert heard.calls == [
        ("expect", {"judge": 1}, {"judge": 2.0}),
        ("begin", "clean", "seed 0", 1, 2),
        ("advance", 3, 4, 0.5),
        ("end", False, 1.5),
        ("fail", "a reason"),
        ("note", "a note"),
    ]


def test_a_look_compares_several_threads_with_one_and_gives_them_back(monkeypatch):
    before = torch.get_num_threads()
    took = {1: [2.0, 1.0, 4.0], 3: [9.0, 2.0, 6.0]}

    def seconds():
        return took[torch.get_num_threads()].pop()

    monkeypatch.setattr(threads_module, "_seconds", seconds)
    # The fastest with one thread against the middle of those with three: a core is rarely taken all the time.
    assert slowdown(3) == pytest.approx(6.0 / 1.0)
    assert torch.get_num_threads() == before
