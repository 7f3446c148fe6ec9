"""Keeps checkpoints on the way, with what they have read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import final

from transformers import PreTrainedTokenizerBase

from restor.models.checkpoint import save_model
from restor.training.callbacks.base import Callback, StepEvent


@final
class KeepCheckpoints(Callback):
    """Saves the model after chosen steps as `folder/step-N`, with `seen.json`: steps, tokens and data read so far."""

    def __init__(
        self, *, steps: Iterable[int], folder: Path, tokenizer: PreTrainedTokenizerBase, has_read: tuple[str, ...]
    ) -> None:
        self.steps = frozenset(steps)
        self.folder = folder
        self.tokenizer = tokenizer
        self.has_read = has_read

    def after_step(self, event: StepEvent) -> None:
        """Save if this step was asked for; a half-written checkpoint is never seen under its name."""
        if event.step not in self.steps:
            return
        target = self.folder / f"step-{event.step:06d}"
        if target.exists():
            return
        partial = self.folder / f"step-{event.step:06d}.partial"
        save_model(event.model, self.tokenizer, partial)
        seen = {"step": event.step, "tokens": event.tokens, "data": list(self.has_read)}
        (partial / "seen.json").write_text(json.dumps(seen), encoding="utf-8")
        os.replace(partial, target)
