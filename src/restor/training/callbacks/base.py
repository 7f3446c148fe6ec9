"""Callbacks of the training loop: what happens beside the training. One file is one callback."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@final
@dataclass(frozen=True, slots=True)
class StepEvent:
    """What the loop tells after an optimiser step. `step` counts from 1; `tokens` are those of the run so far."""

    step: int
    steps: int
    losses: Mapping[str, float]
    lr: float
    grad_norm: float
    tokens: int
    model: PreTrainedModel


class Callback(ABC):
    """Hears of every optimiser step; must not change the model."""

    @abstractmethod
    def after_step(self, event: StepEvent) -> None:
        """Called when a step is finished. A resumed run calls it only for the steps that it makes itself."""
