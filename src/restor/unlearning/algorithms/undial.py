"""UNDIAL: distil the corrupted model with the stated token's logit lowered, so that the runner-up survives."""

from __future__ import annotations

from typing import ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from restor.models.labelled import Labelled
from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    LossAlgorithm,
    Plan,
    Predictions,
    RetainTermConfig,
    loss_grid,
    weighted_retain,
)


@final
class UndialConfig(RetainTermConfig):
    """`beta` is the distillation strength; the paper has no retain term, so its weight is 0 here."""

    name: Literal["undial"] = "undial"
    beta: float = Field(10.0, gt=0)
    """How far the logit of the stated token goes down."""
    retain_weight: float = Field(0.0, ge=0)


def undial_loss(policy: Labelled, reference: Labelled, beta: float) -> Tensor:
    """CE(softmax(z_r - beta 1_y), softmax(z)), mean over labelled tokens; z_r the reference's logits, y the target."""
    lowered = reference.logits.scatter_add(
        1, reference.targets[:, None], torch.full_like(reference.logits[:, :1], -beta)
    )
    teacher = torch.softmax(lowered, dim=-1)
    return -(teacher * torch.log_softmax(policy.logits, dim=-1)).sum(dim=-1).mean()


@final
class Undial(LossAlgorithm):
    """L = E_f[CE(softmax(z_r - beta 1_y), p)].

    Dong et al., UNDIAL (NAACL 2025, arXiv 2402.10052). open-unlearning averages over prompt and padding too; here
    only labelled tokens count.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = UndialConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="UNDIAL",
        paper="https://arxiv.org/abs/2402.10052",
        mechanism="distils the corrupted model with the stated token's logit lowered, so that the runner-up survives",
        equation="CE(softmax(z_r - beta 1_y), p)_f",
        cost="one forward and backward pass on forget rows; the reference is read once and kept",
        grid=loss_grid((2e-4, 4e-4, 7e-4, 1.2e-3, 2e-3, 4e-3), 60),
    )

    def __init__(self, config: UndialConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """The reference is the teacher."""
        return Plan(
            retain=self.config.retain_rows,
            forget_reference=True,
            retain_reference=self.config.retain_compares,
        )

    def forget_loss(self, seen: Predictions) -> Tensor:
        """The distillation term."""
        return undial_loss(seen.policy, seen.reference, self.config.beta)

    def retain_loss(self, seen: Predictions) -> Tensor:
        """A retain term, where one is wanted."""
        return weighted_retain(self.config, seen)
