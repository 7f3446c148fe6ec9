"""Keeps checkpoints on the way, with what they have read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import final

from transformers import PreTrainedTokenizerBase

from restor.models.checkpoint import save_model
from restor.models.lineage import History, Read, write_history
from restor.training.callbacks.base import Callback, StepEvent


@final
class KeepCheckpoints(Callback):
    """Saves the model after chosen steps as `folder/step-N`, with `seen.json`: all that it was trained on so far."""

    def __init__(
        self,
        *,
        steps: Iterable[int],
        folder: Path,
        tokenizer: PreTrainedTokenizerBase,
        stage: str,
        reads: Sequence[Read],
        before: History,
    ) -> None:
        """`reads` is what the run reads, `before` what the model was trained on when it began."""
        self.steps = frozenset(steps)
        self.folder = folder
        self.tokenizer = tokenizer
        self.stage = stage
        self.reads = tuple(reads)
        self.before = before

    def after_step(self, event: StepEvent) -> None:
        """Save if this step was asked for; a half-written checkpoint is never seen under its name."""
        if event.step not in self.steps:
            return
        target = self.folder / f"step-{event.step:06d}"
        if target.exists():
            return
        partial = self.folder / f"step-{event.step:06d}.partial"
        save_model(event.model, self.tokenizer, partial)
        seen = [read.seen(self.stage, steps=event.step, tokens=event.tokens) for read in self.reads]
        history = History(seen=(*self.before.seen, *seen), whole=self.before.whole)
        write_history(history, partial, step=event.step, tokens=event.tokens)
        os.replace(partial, target)
