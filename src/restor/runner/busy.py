"""Notices other work on the machine: threads wait for each other, so one whose core is taken holds up all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import final

from restor.progress import Progress
from restor.runner.threads import slowdown

FIRST, EVERY, AGAIN = 20.0, 60.0, 5.0
"""Seconds until the first look, between looks, and between a look that found something and the one that confirms it. A
look takes some hundredths of a second, on taken cores a second or two."""

SLOWER = 1.5
"""Several threads that take so many times as long as one: the cores are taken."""

CONFIRMED = 3
"""Looks in a row that must find it: short work of others is nothing to tell."""


@final
class CoreWatch(Progress):
    """Tells another progress what it hears; looks at the cores on the way, and says once if they are taken.

    Args:
        inner: hears everything.
        threads: what is computed with.
        clock: tells the time, seconds.
        look: how many times as long as with one thread the same takes with so many.
    """

    def __init__(
        self,
        inner: Progress,
        threads: int,
        clock: Callable[[], float] = time.monotonic,
        look: Callable[[int], float] = slowdown,
    ) -> None:
        self._inner, self._threads, self._clock, self._look = inner, threads, clock, look
        self._next: float | None = None if threads == 1 else clock() + FIRST
        """When to look; None: never again."""
        self._found = 0

    def expect(self, ahead: Mapping[str, int], usual: Mapping[str, float]) -> None:
        """Passed on."""
        self._inner.expect(ahead, usual)

    def begin(self, stage: str, detail: str, number: int, total: int) -> None:
        """Passed on."""
        self._inner.begin(stage, detail, number, total)

    def advance(self, done: int, total: int, loss: float | None) -> None:
        """Passed on; between two steps is the time to look."""
        self._inner.advance(done, total, loss)
        if self._next is not None and self._clock() >= self._next:
            self._watch()

    def end(self, cached: bool, seconds: float) -> None:
        """Passed on."""
        self._inner.end(cached, seconds)

    def fail(self, reason: str) -> None:
        """Passed on."""
        self._inner.fail(reason)

    def note(self, message: str) -> None:
        """Passed on."""
        self._inner.note(message)

    def _watch(self) -> None:
        ratio = self._look(self._threads)
        self._found = self._found + 1 if ratio >= SLOWER else 0
        self._next = self._clock() + (AGAIN if self._found else EVERY)
        if self._found == CONFIRMED:
            self._next = None
            self._inner.note(
                f"Other work keeps this machine's cores busy: {self._threads} threads take {ratio:.1f} times as long "
                "as 1 at the moment. Wait until it is done, or stop this (Ctrl-C) and give the same command with "
                "--threads 1; what is finished is kept."
            )
