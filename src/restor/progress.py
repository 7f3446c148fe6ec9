"""How long work tells where it is: the pipeline calls these, the command line draws them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final


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

    def note(self, message: str) -> None:
        """Ignore."""
