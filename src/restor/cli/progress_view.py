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

from restor.progress import Progress, Silent


@contextmanager
def progress_view(*, quiet: bool) -> Iterator[Progress]:
    """The progress of a block on stderr, or nothing."""
    if quiet:
        yield Silent()
        return
    console = Console(stderr=True, highlight=False)
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
        self._clock = clock
        self._start = clock()
        self._stage = ""
        self._number = self._total = 0
        self._begun = self._start
        self._running = False
        self._steps = (0, 0)
        self._loss: float | None = None
        self._seconds: list[float] = []

    def begin(self, stage: str, detail: str, number: int, total: int) -> None:
        """A new line takes the place of the former."""
        self._stage = f"{stage} {detail}".rstrip()
        self._number, self._total = number, total
        self._begun = self._clock()
        self._steps, self._loss, self._running = (0, 0), None, True

    def advance(self, done: int, total: int, loss: float | None) -> None:
        """The bar moves; the last known loss stays."""
        self._steps = (done, total)
        self._loss = self._loss if loss is None else loss

    def end(self, cached: bool, seconds: float) -> None:
        """Off a terminal, the finished stage is printed."""
        if not cached:
            self._seconds.append(seconds)
        self._running = False
        if not self._console.is_terminal:
            took = "finished before" if cached else f"{seconds:.1f} s"
            self._print(f"[{self._number:>{len(str(self._total))}}/{self._total}] {self._stage}: {took}")

    def note(self, message: str) -> None:
        """Above the line."""
        self._print(message)

    def seconds_left(self) -> float | None:
        """An estimate for the whole study, from the stages run so far; None until there is something to go by."""
        elapsed, (done, steps) = self._clock() - self._begun, self._steps
        ran = sorted(self._seconds)
        # The longest one trains the clean model, which happens once.
        usual = ran[:-1] if len(ran) > 2 else ran
        mean = sum(usual) / len(usual) if usual else None
        current = 0.0
        if self._running:
            if 0 < done <= steps:
                current = elapsed * (steps - done) / done
            elif mean is not None:
                current = max(mean - elapsed, 0.0)
            else:
                return None
        later = self._total - self._number
        if later and mean is None:
            return None
        return current + later * (mean or 0.0)

    def line(self) -> Table:
        """The live line."""
        grid = Table.grid(padding=(0, 1))
        if not self._total:
            grid.add_row(Text("Starting"))
            return grid
        done, steps = self._steps
        cells: list[Text | ProgressBar] = [Text(f"{self._number}/{self._total}"), Text(self._stage, style="bold")]
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        if steps:
            cells += [ProgressBar(steps, done, width=16), Text(f"{done}/{steps}")]
        if self._loss is not None:
            cells.append(Text(f"loss {self._loss:.3f}"))
        left = self.seconds_left()
        cells.append(Text(duration(self._clock() - self._start)))
        if left is not None:
            cells.append(Text(f"about {duration(left)} left", style="dim"))
        for _ in cells[2:]:
            grid.add_column(no_wrap=True)
        grid.add_row(*cells)
        return grid

    def _print(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


def duration(seconds: float) -> str:
    """0:07, 2:31 or 1:02:31."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
