"""Learning-rate schedules as pure functions of the step."""

from __future__ import annotations

import math

from restor.training.config import OptimizerConfig


def lr_scale(step: int, steps: int, config: OptimizerConfig) -> float:
    """The factor on the learning rate at step `step` (from 0) of `steps`: warm-up, then the schedule to zero."""
    warmup = round(config.warmup * steps)
    if step < warmup:
        return (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    if config.schedule == "linear":
        return 1.0 - share
    if config.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * share))
    return 1.0
