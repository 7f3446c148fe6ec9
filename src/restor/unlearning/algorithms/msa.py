"""MSA: model state arithmetic, with vectors taken at a checkpoint that predates the forget documents."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field

from restor.models.arithmetic import Weights, plus
from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    Choice,
    Plan,
    Session,
    WeightAlgorithm,
)


@final
class MSAConfig(AlgorithmConfig):
    """`alpha` scales the forget vector, `beta` the retain vector."""

    name: Literal["msa"] = "msa"
    alpha: float = Field(1.0, gt=0)
    """Factor of the forget vector that is subtracted."""
    beta: float = Field(0.0, ge=0)
    """0 needs no retain text."""
    checkpoint: float = Field(1.0, gt=0, le=1)
    """Which checkpoint, as the share of the clean training it had seen; 1 is the model just before the corruption."""


@final
class MSA(WeightAlgorithm):
    """theta - alpha (theta_C^f - theta_C) + beta (theta_C^ret - theta_C).

    Rezaei et al. 2025 (arXiv 2506.20941, ICLR 2026): theta_C is a checkpoint from before the forget documents,
    theta_C^f and theta_C^ret are it fine-tuned on the forget documents and on the retain text.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = MSAConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="MSA",
        paper="https://arxiv.org/abs/2506.20941",
        mechanism="subtracts what the forget documents add to an earlier checkpoint",
        equation="theta - alpha (theta_C^f - theta_C) + beta (theta_C^ret - theta_C)",
        cost="one fine-tuning of the checkpoint, two with beta; no second model in memory",
        grid=tuple(Choice(lr, 80, {"alpha": alpha}) for lr in (5e-4, 1e-3) for alpha in (0.5, 0.75, 1.0)),
    )

    def __init__(self, config: MSAConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """Retain text only with a beta."""
        return Plan(retain="text" if self.config.beta > 0 else None, checkpoint=True)

    def edit(self, session: Session) -> Weights:
        """Take both vectors at the checkpoint and apply them to the corrupted weights."""
        vectors = [(-self.config.alpha, session.vector("checkpoint", "forget"))]
        if self.config.beta:
            vectors.append((self.config.beta, session.vector("checkpoint", "retain")))
        return plus(session.corrupted, *vectors)
