"""Where a study is, on stderr: one live line on a terminal, else one line per finished stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from restor.cli.terminal import safe_console
from restor.progress import Course, Progress, Silent


@contextmanager
def progress_view(*, quiet: bool) -> Iterator[Progress]:
    """The progress of a block on stderr, or nothing."""
    if quiet:
        yield Silent()
        return
    console = safe_console(stderr=True)
    view = RichProgress(console)
    if not console.is_terminal:
        yield view
        return
    with Live(get_renderable=view.line, console=console, transient=True, refresh_per_second=4):
        yield view


@final
class RichProgress(Progress):
    """Draws one line. Times come from `clock`, seconds."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._course = Course(clock)

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
        left = course.seconds_left
        cells.append(Text(duration(course.elapsed)))
        if left is not None:
            cells.append(Text(f"about {duration(left)} left", style="dim"))
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

    def _print(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


def duration(seconds: float) -> str:
    """0:07, 2:31 or 1:02:31."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
