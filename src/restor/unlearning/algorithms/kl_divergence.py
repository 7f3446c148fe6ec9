"""KL: push the predictions on the forget documents away from the corrupted model's (RESTOR)."""

from __future__ import annotations

from typing import ClassVar, Literal, final

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
from restor.unlearning.losses import cross_entropy_of, kl_divergence, mean_nll


@final
class KLDivergenceConfig(RetainTermConfig):
    """`gamma` weighs the forget term here, as in the paper."""

    name: Literal["kl_divergence"] = "kl_divergence"
    gamma: float = Field(1.0, gt=0)
    """Weight of the forget term."""
    forget: Literal["kl", "cross_entropy", "nll"] = "kl"
    """`kl`: the paper's divergence; `cross_entropy`: what the published code computes under that name, less its
    average over padding; `nll`: plain ascent, to go with a KL retain term."""


def forget_divergence(kind: str, policy: Labelled, reference: Labelled) -> Tensor:
    """KL(p || r), or the cross-entropy -sum p log r, mean over labelled tokens.

    At p = r the gradient of the first is zero: it is the retain term, or the rounding, that first moves the model.
    """
    divergence = kl_divergence if kind == "kl" else cross_entropy_of
    return divergence(policy.logits, reference.logits).mean()


@final
class KLDivergence(LossAlgorithm):
    """L = -gamma KL(p || r)_f + CE_ret, r the corrupted model.

    Rezaei et al. 2024 (RESTOR, arXiv 2411.00204); the published code's deviations are named options.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = KLDivergenceConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="KL divergence (RESTOR)",
        paper="https://arxiv.org/abs/2411.00204",
        mechanism="drives the predictions on the forget documents away from what the corrupted model predicts",
        equation="-gamma KL(p, r)_f + CE_ret",
        cost="one forward and backward pass on forget and retain rows; the reference is read once and kept",
        grid=loss_grid((5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3), 60),
    )

    def __init__(self, config: KLDivergenceConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """The reference is read on the forget documents, unless the forget term is plain ascent."""
        return Plan(
            retain=self.config.retain_rows,
            forget_reference=self.config.forget != "nll",
            retain_reference=self.config.retain_compares,
        )

    def forget_loss(self, seen: Predictions) -> Tensor:
        """-gamma KL(p || r)_f."""
        if self.config.forget == "nll":
            return -self.config.gamma * mean_nll(seen.policy)
        return -self.config.gamma * forget_divergence(self.config.forget, seen.policy, seen.reference)

    def retain_loss(self, seen: Predictions) -> Tensor:
        """CE_ret or KL_ret."""
        return weighted_retain(self.config, seen)
