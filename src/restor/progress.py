"""How long work tells where it is: the pipeline calls these, the command line and `restor view` show them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Literal, final

from restor.config import Config


class Progress(ABC):
    """Hears of stages, steps and remarks."""

    @abstractmethod
    def expect(self, ahead: Mapping[str, int], usual: Mapping[str, float]) -> None:
        """Before a stage begins: how many of each kind are to be made after it, and the seconds that one of a kind
        usually takes, as far as that is known. Without it, whatever follows is taken to be of the current kind."""

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

    def expect(self, ahead: Mapping[str, int], usual: Mapping[str, float]) -> None:
        """Ignore."""

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


SETTLED = 2.0
"""Seconds of steps from which their pace is told: the first ones also load and compile."""


@final
class Course:
    """Where a run is, from what a `Progress` hears, and how long it may take. Times come from `clock`, seconds.

    Stages of one kind take about equally long, those of different kinds do not: one that trains from nothing may take
    a hundred times as long as one that judges. Where a kind that is still to come has never been seen, nothing is
    said about the whole.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = self._begun = clock()
        self._took: dict[str, list[float]] = {}
        self._ahead: Mapping[str, int] | None = None
        self._usual: Mapping[str, float] = {}
        self._since: tuple[int, float] | None = None
        self._told = self._begun
        self.running = False
        """Whether a stage has begun and not ended."""
        self.stage = self.detail = ""
        self.number = self.total = 0
        """Of the current stage; 0 of 0 before the first."""
        self.done = self.steps = 0
        """Of the current stage; 0 of 0 until it tells."""
        self.loss: float | None = None

    def expect(self, ahead: Mapping[str, int], usual: Mapping[str, float]) -> None:
        """As `Progress.expect`."""
        self._ahead, self._usual = ahead, usual

    def begin(self, stage: str, detail: str, number: int, total: int) -> None:
        """As `Progress.begin`."""
        self.stage, self.detail, self.number, self.total = stage, detail, number, total
        self._begun, self.running = self._clock(), True
        self.done, self.steps, self.loss, self._since = 0, 0, None, None

    def advance(self, done: int, total: int, loss: float | None) -> None:
        """As `Progress.advance`; the last known loss stays."""
        self._told = self._clock()
        # What a former process did counts for nothing, and a second training within a stage counts anew.
        if self._since is None or done < self.done or total != self.steps:
            self._since = done, self._told
        self.done, self.steps = done, total
        self.loss = self.loss if loss is None else loss

    def end(self, cached: bool, seconds: float) -> None:
        """As `Progress.end`."""
        if not cached:
            self._took.setdefault(self.stage, []).append(seconds)
        self.running = False

    def fail(self) -> None:
        """As `Progress.fail`; how long it took says nothing about the stages to come."""
        self.running = False

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    @property
    def stage_left(self) -> float | None:
        """An estimate of the seconds that the current stage still takes, from its steps; None before there are some."""
        if not self.running or self._since is None:
            return None
        first, since = self._since
        if self.done >= self.steps:
            return 0.0
        if self.done <= first or self._told - since < SETTLED:
            return None
        pace = (self._told - since) / (self.done - first)
        return max(pace * (self.steps - self.done) - (self._clock() - self._told), 0.0)

    @property
    def seconds_left(self) -> float | None:
        """An estimate for the whole run; None while something of it is unknown."""
        stage_seconds = self.stage_left if self.running else 0.0
        if stage_seconds is None and (usual := self._expected(self.stage)) is not None:
            stage_seconds = max(usual - (self._clock() - self._begun), 0.0)
        ahead = {self.stage: self.total - self.number} if self._ahead is None else self._ahead
        parts = [stage_seconds]
        for kind, count in ahead.items():
            if count:
                usual = self._expected(kind)
                parts.append(None if usual is None else count * usual)
        known = [part for part in parts if part is not None]
        return sum(known) if self.total and len(known) == len(parts) else None

    def _expected(self, kind: str) -> float | None:
        """Seconds that a stage of this kind takes: as this run has seen, else as usual."""
        ran = self._took.get(kind)
        return sum(ran) / len(ran) if ran else self._usual.get(kind)


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
