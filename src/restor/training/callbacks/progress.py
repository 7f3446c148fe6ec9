"""Tells the progress display of each step."""

from __future__ import annotations

from typing import final

from restor.progress import Progress
from restor.training.callbacks.base import Callback, StepEvent


@final
class ReportProgress(Callback):
    """Forwards the step and the sum of its losses."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def after_step(self, event: StepEvent) -> None:
        """Forward."""
        self.progress.advance(event.step, event.steps, sum(event.losses.values()))
