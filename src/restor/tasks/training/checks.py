"""What is looked at before and after the training of a checkpoint that somebody else made. Torch-free."""

from __future__ import annotations

from typing import final

from pydantic import Field

from restor.config import Config
from restor.domains.base import DomainChoice
from restor.evaluation.config import EvaluationConfig


@final
class LossCheck(Config):
    """How losses are measured."""

    model: str
    """What messages call the checkpoint."""
    tokens: int = Field(ge=16)
    """Tokens that are read at a time."""
    keep_diverged: bool = False
    """Whether a model is written though its training diverged."""


@final
class StrengthConfig(Config):
    """How the strength of a corruption is measured."""

    domain: DomainChoice
    """Facts about the targets and about others."""
    evaluation: EvaluationConfig
    """How they are asked and judged: always greedily."""
