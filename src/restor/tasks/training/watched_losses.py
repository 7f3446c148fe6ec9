"""What the training of a checkpoint did to its losses: told, and taken as a sign that it diverged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.errors import DataError, TrainingError
from restor.models.families import pad_of
from restor.progress import Progress
from restor.tasks.training.checks import LossCheck
from restor.training.config import TrainingConfig
from restor.training.mean_loss import mean_loss

RISE = 1.0
"""Nats per token. No training that works takes a model this far from what it is to learn."""


@final
@dataclass(frozen=True, slots=True)
class Watched:
    """Rows whose loss is told."""

    name: str
    """As in "the loss on the forget documents"."""
    goal: Literal["learn", "keep", "forget"]
    """What the training should do with them."""
    rows: Sequence[Sequence[int]]
    labels: Sequence[Sequence[bool]] | None = None
    """Which tokens count; None: all."""


@final
class Losses:
    """The losses on some rows before a training and after it."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        watched: Sequence[Watched],
        check: LossCheck,
        training: TrainingConfig,
        progress: Progress,
    ) -> None:
        """Measure the model before.

        Raises:
            DataError: if its losses are not numbers already.
        """
        self._watched = [item for item in watched if item.rows]
        self._check, self._training = check, training
        self._progress = progress
        self._pad = pad_of(tokenizer)
        self._guess = math.log(model.get_input_embeddings().weight.shape[0])
        self._before = self._measure(model)
        if not all(map(math.isfinite, self._before)):
            raise DataError(
                f"{check.model} cannot be trained: its {self._told(self._before)} before any step. Look at the "
                "checkpoint, or load it with --dtype float32."
            )
        progress.note(f"before the training: {self._told(self._before)} (nats per token)")

    def after(self, model: PreTrainedModel) -> dict[str, dict[str, float]]:
        """Measure the trained model; returns what was found, by the name of the rows.

        Raises:
            TrainingError: if the training diverged, unless such a checkpoint is wanted.
        """
        after = self._measure(model)
        measured = list(zip(self._watched, self._before, after, strict=True))
        diverged = [
            f"the loss on {item.name} went from {before:.3g} to {now:.3g} nats per token"
            for item, before, now in measured
            if self._diverged(item.goal, before, now)
        ]
        if diverged and not (self._check.keep_diverged and all(map(math.isfinite, after))):
            anyway = "; `--keep_diverged true` writes it all the same" if all(map(math.isfinite, after)) else ""
            raise TrainingError(
                f"The training diverged: {' and '.join(diverged)}, where guessing has {self._guess:.3g}. No checkpoint "
                f"was written. Lower lr ({self._training.lr:g}) or epochs{anyway}."
            )
        self._progress.note(f"after the training: {self._told(after)}")
        if diverged:
            self._progress.note(f"the training diverged: {' and '.join(diverged)}")
        return {item.name: {"before": round(before, 4), "after": round(now, 4)} for item, before, now in measured}

    def _measure(self, model: PreTrainedModel) -> list[float]:
        return [
            mean_loss(
                model,
                item.rows,
                pad=self._pad,
                tokens=self._check.tokens,
                precision=self._training.compute.precision,
                labels=item.labels,
            )
            for item in self._watched
        ]

    def _diverged(self, goal: str, before: float, after: float) -> bool:
        if not math.isfinite(after):
            return True
        # Some algorithms pay with what they should keep: only where less than a guess is left, nothing is.
        return goal != "forget" and after > before + RISE and (goal == "learn" or after > self._guess)

    def _told(self, losses: Sequence[float]) -> str:
        parts = (f"{loss:.3f} on {item.name}" for item, loss in zip(self._watched, losses, strict=True))
        return f"loss {', '.join(parts)}"
