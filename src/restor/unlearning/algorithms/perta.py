"""PerTA: MSA's forget vector, rescaled per parameter by how much more it matters to forgetting than to retaining."""

from __future__ import annotations

from typing import ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from restor.models.arithmetic import Lazy, Weights, plus
from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    Choice,
    Plan,
    Session,
    WeightAlgorithm,
)


@final
class PerTAConfig(AlgorithmConfig):
    """`alpha` scales the vector that is subtracted."""

    name: Literal["perta"] = "perta"
    alpha: float = Field(1.0, gt=0)
    """Factor of the rescaled vector that is subtracted."""
    sensitivity: Literal["gradient", "fisher"] = "gradient"
    """How much a parameter matters to a text: `gradient` is the size of the mean gradient (PerTA-grad), `fisher` the
    mean of the rows' squared gradients (PerTA-fisher)."""
    at: Literal["checkpoint", "corrupted"] = "checkpoint"
    """Where it is measured: at the model from which the vector starts, as in the paper, or at the corrupted one."""
    checkpoint: float = Field(1.0, gt=0, le=1)
    """Which checkpoint, as the share of the clean training it had seen; 1 is the model just before the corruption."""


def forget_share(forget: Tensor, retain: Tensor) -> Tensor:
    """w = s_f / (s_f + s_ret) of two sensitivities, in [0, 1]; 0 for a parameter that neither text depends on."""
    # 0 / tiny is 0, and a sensitivity below the smallest normal number counts as none.
    return forget / (forget + retain).clamp(min=torch.finfo(forget.dtype).tiny)


@final
class PerTA(WeightAlgorithm):
    """theta - alpha w * (theta_C^f - theta_C), w = s_f / (s_f + s_ret) per parameter.

    Cai et al. 2026, per-parameter task arithmetic (arXiv 2601.22030): the vector starts at the model that had not yet
    read what is to be forgotten, and is subtracted from the one that has; the weights are ratios of forget and retain
    gradients, or of their squares, at the start. That the ratio is the share s_f / (s_f + s_ret) is a reading of the
    paper's "relative importance".
    """

    config_type: ClassVar[type[AlgorithmConfig]] = PerTAConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="PerTA",
        paper="https://arxiv.org/abs/2601.22030",
        mechanism="subtracts what the forget documents add to a checkpoint, most where retain text depends on it least",
        equation="theta - alpha w (theta_C^f - theta_C), w = s_f / (s_f + s_ret), s = |mean grad| or mean grad^2",
        cost="one fine-tuning of the checkpoint and one backward pass over forget and retain rows",
        grid=tuple(Choice(lr, 80, {"alpha": alpha}) for lr in (5e-4, 1e-3) for alpha in (0.5, 0.75, 1.0)),
    )

    def __init__(self, config: PerTAConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """Retain text and a checkpoint."""
        return Plan(retain="text", checkpoint=True)

    def edit(self, session: Session) -> Weights:
        """Take MSA's forget vector and weigh each of its elements."""
        vector = session.vector("checkpoint", "forget")
        squared = self.config.sensitivity == "fisher"
        forget = session.gradient(self.config.at, "forget", squared=squared)
        retain = session.gradient(self.config.at, "retain", squared=squared)

        def weighed(name: str) -> Tensor:
            if name not in forget or name not in retain:
                return torch.zeros_like(vector[name])
            return forget_share(forget[name].abs(), retain[name].abs()) * vector[name]

        return plus(session.corrupted, (-self.config.alpha, Lazy(vector, weighed)))
