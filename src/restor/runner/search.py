"""A grid search: every point of a grid is tried once in each world, and what was seen on the way decides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from restor.runner.execute import Executor
from restor.selection.trial import NO_RETAIN, Chosen, Trial
from restor.selection.validation import TrialTrace
from restor.tasks.base import Ref, Trace
from restor.types import RetainText


@final
@dataclass(frozen=True, slots=True)
class GridPoint:
    """One point of an arm's grid in one world."""

    id: str
    """Where progress is told."""
    arm: str
    point: int
    """Its number in the grid."""
    chosen: Chosen
    """What it sets."""
    retain: RetainText | None
    seed: int
    """The world."""
    trace: Ref[Trace]

    def trial(self, executor: Executor) -> Trial:
        """What came of it."""
        ended: dict[str, Any] = {"ended": "failed", "note": executor.failure([self.trace.task]) or ""}
        if self.trace.key in executor.artifacts:
            trace = read_trace(executor.artifacts[self.trace.key].path)
            ended = {"marks": trace.marks, "ended": trace.ended, "note": trace.note}
        return Trial(
            arm=self.arm,
            retain=self.retain or NO_RETAIN,
            seed=self.seed,
            point=self.point,
            lr=self.chosen.lr or 0.0,
            steps=self._steps(executor),
            options=self.chosen.options,
            **ended,
        )

    def _steps(self, executor: Executor) -> int:
        """The most that were to be taken: of a training by epochs known when it has begun."""
        if self.chosen.steps is not None or self.trace.key not in executor.artifacts:
            return self.chosen.steps or 0
        return int(executor.artifacts[self.trace.key].manifest.info["steps"])


def read_trace(artifact: Path) -> TrialTrace:
    """The trace that a trial has left."""
    return TrialTrace.model_validate_json((artifact / "trace.json").read_text(encoding="utf-8"))
