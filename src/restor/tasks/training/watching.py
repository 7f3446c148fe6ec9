"""Looks at a model in training: what a point of a grid answers on the way, and when its training ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import final

from pydantic import ValidationError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.errors import TrainingError
from restor.results import Cost
from restor.selection.validation import TrialTrace, Validation, mark_steps
from restor.store.disk import write_atomic
from restor.tasks.base import Context, Made
from restor.tasks.training.artifact import peak_memory_mb
from restor.training.callbacks.base import Callback
from restor.training.callbacks.validate import Validate, undisturbed
from restor.training.loop import TrainingLog
from restor.unlearning.algorithms.base import Algorithm, LossAlgorithm

TRACE_FILE = "trace.json"

Begin = Callable[[PreTrainedModel, PreTrainedTokenizerBase, Algorithm, int], Sequence[Callback]]
"""Looks at the corrupted model before anything changes it; returns what looks at it in training. It gets the model, its
tokenizer, the algorithm and the number of steps."""


@final
class Watch:
    """Looks at a model in training and keeps what it answered, so that a run that was killed asks nothing twice."""

    def __init__(self, context: Context, validation: Validation, *, of: str) -> None:
        """`of` names the corrupted model, whose answers are the same for all trials."""
        self._memo = context.memo
        self._of = f"validation/{of}"
        self._validation = validation
        self._file = context.resume / TRACE_FILE
        self._tokenizer: PreTrainedTokenizerBase | None = None
        self.steps = 0
        """Of the whole run; known when it has begun."""
        self.trace = self._kept()

    def begin(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, algorithm: Algorithm, steps: int
    ) -> Sequence[Callback]:
        """Look at the corrupted model, which nothing has changed yet; returns what looks at it in training.

        A weight algorithm has no way along which to look: only its result counts.
        """
        self._tokenizer, self.steps = tokenizer, steps
        if self.trace is None:
            if self._of not in self._memo:
                with undisturbed(model):
                    self._memo[self._of] = self._validation.ask(model, tokenizer)
            self.trace = TrialTrace(corrupted=self._memo[self._of])
        return [Validate(steps=mark_steps, look=self._look)] if isinstance(algorithm, LossAlgorithm) else []

    def _look(self, model: PreTrainedModel, step: int) -> bool:
        """Whether the run goes on."""
        assert self.trace is not None, "it has begun"
        assert self._tokenizer is not None, "it has begun"
        if all(mark.step != step for mark in self.trace.marks):
            self.trace = self.trace.with_mark(step, self._validation.ask(model, self._tokenizer))
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._file, self.trace.model_dump_json())
        return not self.trace.stalled

    def end(self, model: PreTrainedModel) -> TrialTrace:
        """The trace of a run that has ended by itself or by what was seen."""
        assert self.trace is not None, "it has begun"
        marks = self.trace.marks
        if marks and marks[-1].step < self.steps and self.trace.stalled:
            return self.trace.ended_early()
        if not marks or marks[-1].step != self.steps:
            with undisturbed(model):
                self._look(model, self.steps)
        return self.trace.model_copy(update={"ended": "complete"})

    def fail(self, reason: str) -> TrialTrace:
        """The trace of a run that could not go on: what was seen before holds.

        Raises:
            TrainingError: if nothing was seen at all, not even the corrupted model.
        """
        if self.trace is None:
            raise TrainingError(reason)
        return self.trace.model_copy(update={"ended": "failed", "note": reason})

    def _kept(self) -> TrialTrace | None:
        try:
            return TrialTrace.model_validate_json(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError, ValidationError):
            return None


def watched(context: Context, watch: Watch, run: Callable[[], tuple[PreTrainedModel, TrainingLog]]) -> Made:
    """Run, and write the trace."""
    began = time.perf_counter()
    log: TrainingLog | None = None
    try:
        model, log = run()
    except TrainingError as error:
        trace = watch.fail(str(error))
    else:
        trace = watch.end(model)
    (context.directory / TRACE_FILE).write_text(trace.model_dump_json(indent=1) + "\n", encoding="utf-8")
    cost = Cost(
        seconds=time.perf_counter() - began,
        steps=trace.marks[-1].step if trace.marks else 0,
        tokens=log.tokens if log is not None else 0,
        peak_memory_mb=round(peak_memory_mb(context.place), 1),
        flops=log.flops if log is not None else None,
    )
    return Made(cost, {"ended": trace.ended, "steps": watch.steps})
