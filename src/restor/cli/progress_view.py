"""Where a study is, on stderr: one live line on a terminal, else one line per finished stage and one every minute."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from typing import final

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from restor.cli.output import safe_console
from restor.progress import Course, Progress, Silent

EVERY = 60.0
"""Seconds of silence after which a log file is told where the current stage is."""


@contextmanager
def progress_view(*, quiet: bool) -> Iterator[Progress]:
    """The progress of a block on stderr, or nothing. Libraries that print must not spoil what another program reads."""
    with redirect_stdout(sys.stderr):
        if quiet:
            yield Silent()
            return
        console = safe_console(stderr=True)
        view = RichProgress(console)
        live = Live(get_renderable=view.line, console=console, transient=True, refresh_per_second=4)
        with live if console.is_terminal else _reminded(view):
            yield view


@contextmanager
def _reminded(view: RichProgress) -> Iterator[None]:
    """A thread has the view print in time, since a stage may tell nothing for long."""
    over = threading.Event()

    def remind() -> None:
        while not over.wait(1.0):
            with suppress(OSError, ValueError):  # stderr is closed
                view.remind()

    thread = threading.Thread(target=remind, name="restor-reminder", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@final
class RichProgress(Progress):
    """Draws one line. Times come from `clock`, seconds."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._course = Course(clock)
        self._printed = clock()

    def expect(self, ahead: Mapping[str, int], usual: Mapping[str, float]) -> None:
        """What the time left is worked out from."""
        self._course.expect(ahead, usual)

    def begin(self, stage: str, detail: str, number: int, total: int) -> None:
        """A new line takes the place of the former."""
        self._course.begin(stage, detail, number, total)

    def advance(self, done: int, total: int, loss: float | None) -> None:
        """The bar moves; the last known loss stays."""
        self._course.advance(done, total, loss)

    def end(self, cached: bool, seconds: float) -> None:
        """Off a terminal, the finished stage is printed."""
        self._course.end(cached, seconds)
        if not self._console.is_terminal:
            self._print(f"{self._numbered}: {'finished before' if cached else f'{seconds:.1f} s'}")

    def fail(self, reason: str) -> None:
        """Printed, with the reason where it is told for the first time."""
        self._course.fail()
        if reason:
            self._print(f"{self._numbered} failed: {reason}")
        elif not self._console.is_terminal:
            self._print(f"{self._numbered}: not made")

    def note(self, message: str) -> None:
        """Above the line."""
        self._print(message)

    def remind(self) -> None:
        """Print where the stage is, if nothing was printed for a minute."""
        course = self._course
        if not course.running or self._clock() - self._printed < EVERY:
            return
        parts = [f"{course.done}/{course.steps}"] if course.steps else []
        parts += [] if course.loss is None else [f"loss {course.loss:.3f}"]
        parts += [duration(course.elapsed), *self._left]
        self._print(f"{self._numbered}: {', '.join(parts)}")

    def line(self) -> Table:
        """The live line."""
        grid = Table.grid(padding=(0, 1))
        course = self._course
        if not course.total:
            grid.add_row(Text("Starting"))
            return grid
        cells: list[Text | ProgressBar] = [Text(f"{course.number}/{course.total}"), Text(self._stage, style="bold")]
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        if course.steps:
            cells += [ProgressBar(course.steps, course.done, width=16), Text(f"{course.done}/{course.steps}")]
        if course.loss is not None:
            cells.append(Text(f"loss {course.loss:.3f}"))
        cells.append(Text(duration(course.elapsed)))
        cells += [Text(left, style="dim") for left in self._left]
        for _ in cells[2:]:
            grid.add_column(no_wrap=True)
        grid.add_row(*cells)
        return grid

    @property
    def _stage(self) -> str:
        return f"{self._course.stage} {self._course.detail}".rstrip()

    @property
    def _numbered(self) -> str:
        number, total = self._course.number, self._course.total
        return f"[{number:>{len(str(total))}}/{total}] {self._stage}"

    @property
    def _left(self) -> list[str]:
        """What can be said of the time left: of the run, else of its stage, else nothing."""
        whole, stage = self._course.seconds_left, self._course.stage_left
        if whole is not None:
            return [f"about {duration(whole)} left"]
        return [] if stage is None else [f"about {duration(stage)} left of this stage"]

    def _print(self, text: str) -> None:
        self._printed = self._clock()
        self._console.print(Text(text), soft_wrap=True)


def duration(seconds: float) -> str:
    """0:07, 2:31 or 1:02:31."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
