"""The progress view, with a clock of its own."""

from __future__ import annotations

import io
import time

from rich.console import Console

from heard import Clock
from restor.cli.progress_view import EVERY, RichProgress, duration, progress_view
from restor.progress import Silent


def view(*, terminal):
    clock = Clock()
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120, highlight=False, color_system=None)
    return RichProgress(console, clock), clock, file, console


def drawn(progress, width=120):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(progress.line())
    return console.file.getvalue()


def test_off_a_terminal_one_line_per_finished_stage():
    progress, _, file, _ = view(terminal=False)
    progress.begin("clean", "seed 0", 1, 12)
    progress.advance(1, 10, 2.5)
    progress.end(False, 3.21)
    progress.note("waiting for [another] process")
    progress.begin("unlearn", "npo_token, related, seed 0", 2, 12)
    progress.end(True, 0.0)
    assert file.getvalue().splitlines() == [
        "[ 1/12] clean seed 0: 3.2 s",
        "waiting for [another] process",
        "[ 2/12] unlearn npo_token, related, seed 0: finished before",
    ]


def test_a_log_file_hears_every_minute_where_a_stage_is():
    progress, clock, file, _ = view(terminal=False)
    progress.remind()
    clock.now += EVERY
    progress.remind()
    assert file.getvalue() == "", "nothing has begun"
    progress.expect({"judge": 3, "evaluate": 1}, {"judge": 10.0})
    progress.begin("clean", "seed 0", 8, 12)
    progress.advance(0, 600, 2.5)
    progress.remind()
    clock.now += EVERY - 1
    progress.advance(60, 600, 2.25)
    progress.remind()
    clock.now += 1
    progress.remind()
    progress.expect({"judge": 3}, {"judge": 10.0})
    clock.now += EVERY / 2
    progress.note("a note")
    clock.now += EVERY / 2
    progress.advance(400, 600, 2.0)
    progress.remind()
    clock.now += EVERY / 2
    progress.remind()
    progress.remind()
    progress.end(False, 180.0)
    clock.now += EVERY
    progress.remind()
    assert file.getvalue().splitlines() == [
        "[ 8/12] clean seed 0: 0/600, loss 2.500, 1:00",
        "[ 8/12] clean seed 0: 60/600, loss 2.250, 2:00, about 8:50 left of this stage",
        "a note",
        "[ 8/12] clean seed 0: 400/600, loss 2.000, 3:30, about 1:00 left",
        "[ 8/12] clean seed 0: 180.0 s",
    ]


def test_a_log_file_hears_from_a_stage_that_tells_nothing(monkeypatch, capsys):
    monkeypatch.setattr("restor.cli.progress_view.EVERY", 0.0)
    with progress_view(quiet=False) as progress:
        progress.begin("clean", "", 1, 1)
        deadline = time.monotonic() + 20
        heard = ""
        while "[1/1] clean: 0:0" not in heard:
            assert time.monotonic() < deadline
            time.sleep(0.01)
            heard += capsys.readouterr().err


def test_on_a_terminal_only_notes_are_printed():
    progress, _, file, _ = view(terminal=True)
    progress.begin("clean", "seed 0", 1, 2)
    progress.end(False, 3.0)
    assert file.getvalue() == ""
    progress.note("a note")
    assert "a note" in file.getvalue()


def test_the_line_has_stage_steps_loss_and_times():
    progress, clock, _, _ = view(terminal=True)
    assert "Starting" in drawn(progress)
    progress.begin("unlearn", "npo_token, related, seed 0", 12, 12)
    clock.now += 5
    progress.advance(0, 80, None)
    clock.now += 60
    progress.advance(20, 80, 1.23456)
    progress.advance(20, 80, None)
    line = drawn(progress)
    for part in ("12/12", "unlearn npo_token, related, seed 0", "20/80", "loss 1.235", "1:05", "about 3:00 left"):
        assert part in line
    assert len(line.splitlines()) == 1
    assert len(drawn(progress, width=60).splitlines()) == 1


def test_durations():
    assert [duration(value) for value in (0.4, 59.7, 151, 3751)] == ["0:00", "1:00", "2:31", "1:02:31"]


def test_quiet_is_silent(capsys):
    with progress_view(quiet=True) as progress:
        assert isinstance(progress, Silent)
        progress.note("nobody hears")
    with progress_view(quiet=False) as progress:
        progress.begin("clean", "", 1, 1)
        progress.end(False, 1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "[1/1] clean: 1.0 s\n"


def test_the_live_line_goes_away(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    with progress_view(quiet=False) as progress:
        progress.begin("clean", "", 1, 1)
        progress.advance(1, 2, 0.5)
        progress.note("a note")
        progress.end(False, 1)
    assert "a note" in capsys.readouterr().err
