"""How long work tells where it is: the pipeline calls these, the command line and `restor view` show them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, final

from restor.config import Config


class Progress(ABC):
    """Hears of stages, steps and remarks."""

    @abstractmethod
    def begin(self, stage: str, detail: str, number: int, total: int) -> None:
        """Stage `number` of `total` begins; `detail` tells it from its siblings, e.g. `npo_token, related, seed 0`."""

    @abstractmethod
    def advance(self, done: int, total: int, loss: float | None) -> None:
        """`done` of `total` steps of the current stage are finished."""

    @abstractmethod
    def end(self, cached: bool, seconds: float) -> None:
        """The current stage is finished; `cached` when it had been before."""

    @abstractmethod
    def fail(self, reason: str) -> None:
        """The current stage ends without a result, and the run goes on; the reason is empty if others tell it."""

    @abstractmethod
    def note(self, message: str) -> None:
        """Something a user should know now: waiting for another process, a damaged artifact, a skipped arm."""


@final
class Silent(Progress):
    """Tells nobody."""

    def begin(self, stage: str, detail: str, number: int, total: int) -> None:
        """Ignore."""

    def advance(self, done: int, total: int, loss: float | None) -> None:
        """Ignore."""

    def end(self, cached: bool, seconds: float) -> None:
        """Ignore."""

    def fail(self, reason: str) -> None:
        """Ignore."""

    def note(self, message: str) -> None:
        """Ignore."""


@final
class Course:
    """Where a run is, from what a `Progress` hears, and how long it may take. Times come from `clock`, seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = self._begun = clock()
        self._running = False
        self._seconds: list[float] = []
        self.stage = self.detail = ""
        self.number = self.total = 0
        """Of the current stage; 0 of 0 before the first."""
        self.done = self.steps = 0
        """Of the current stage; 0 of 0 until it tells."""
        self.loss: float | None = None

    def begin(self, stage: str, detail: str, number: int, total: int) -> None:
        """As `Progress.begin`."""
        self.stage, self.detail, self.number, self.total = stage, detail, number, total
        self._begun, self._running = self._clock(), True
        self.done, self.steps, self.loss = 0, 0, None

    def advance(self, done: int, total: int, loss: float | None) -> None:
        """As `Progress.advance`; the last known loss stays."""
        self.done, self.steps = done, total
        self.loss = self.loss if loss is None else loss

    def end(self, cached: bool, seconds: float) -> None:
        """As `Progress.end`."""
        if not cached:
            self._seconds.append(seconds)
        self._running = False

    def fail(self) -> None:
        """As `Progress.fail`; how long it took says nothing about the stages to come."""
        self._running = False

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    @property
    def stage_left(self) -> float | None:
        """An estimate of the seconds that the current stage still takes, from its steps; None before the first."""
        if not self._running or not 0 < self.done <= self.steps:
            return None
        return (self._clock() - self._begun) * (self.steps - self.done) / self.done

    @property
    def seconds_left(self) -> float | None:
        """An estimate for the whole run, from the stages run so far; None until there is something to go by."""
        ran = sorted(self._seconds)
        # The longest one trains the clean model, which happens once.
        usual = ran[:-1] if len(ran) > 2 else ran
        mean = sum(usual) / len(usual) if usual else None
        current = self.stage_left
        if current is None and self._running:
            if mean is None:
                return None
            current = max(mean - (self._clock() - self._begun), 0.0)
        later = self.total - self.number
        if later and mean is None:
            return None
        return (current or 0.0) + later * (mean or 0.0)


RUNNING_PREFIX = "running-"
"""A process that makes a study keeps `running-TOKEN.json` in the study's folder, a `Running`. Beside it, it holds the
lock of `running-TOKEN.lock`, which ends with the process, however that ends."""


@final
class Running(Config):
    """Where a process is with a study."""

    format: Literal[1] = 1
    study: str
    """Id of the study."""
    name: str
    kind: Literal["study", "comparison"]
    protocol: str
    seeds: list[int]
    pid: int
    host: str
    started: str
    """UTC, ISO 8601."""
    updated: str
    """When the process last told anything."""
    stage: str = ""
    detail: str = ""
    number: int = 0
    total: int = 0
    """The stage is the `number`th of `total`."""
    done: int = 0
    steps: int = 0
    """Steps of the stage."""
    loss: float | None = None
    stage_left: float | None = None
    """An estimate of the seconds that the stage still takes, when this was written."""
    seconds_left: float | None = None
    """The same for the whole study."""
    note: str = ""
    """The latest remark."""
    ended: Literal["", "stopped", "failed"] = ""
    """How the process ended, where it still could tell."""
    reason: str = ""
    """Why it failed."""
