"""SimNPO: NPO without a reference, normalised by length."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor
from torch.nn.functional import logsigmoid

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
from restor.unlearning.losses import row_lengths, sequence_nll


@final
class SimNPOConfig(RetainTermConfig):
    """The paper's values for TOFU: beta 2.5, gamma 0."""

    name: Literal["simnpo"] = "simnpo"
    beta: float = Field(2.5, gt=0)
    """How soon a row is forgotten enough: the larger, the sooner the loss levels off."""
    gamma: float = Field(0.0, ge=0)
    """Reward margin, in nats per token after the length normalisation and beta."""


def simnpo_loss(policy: Labelled, beta: float, gamma: float) -> Tensor:
    """-(2 / beta) mean log sigmoid(-(beta / |y|) log p(y) - gamma), Fan et al. 2024, eq. 4."""
    return -(2.0 / beta) * logsigmoid(beta * sequence_nll(policy) / row_lengths(policy) - gamma).mean()


@final
class SimNPO(LossAlgorithm):
    """L = -(2 / beta) E_f[log sigmoid(-(beta / |y|) log p - gamma)] + lambda CE_ret.

    Fan et al. 2024 (arXiv 2410.07163). open-unlearning subtracts its `delta` before multiplying by beta, so that
    gamma = beta delta.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = SimNPOConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="SimNPO",
        paper="https://arxiv.org/abs/2410.07163",
        mechanism="lowers the likelihood per token of the forget documents, slower the lower it is",
        equation="-(2/beta) log sigmoid(-(beta/|y|) log p - gamma)_f + lambda CE_ret",
        cost="one forward and backward pass on forget and retain rows",
        grid=loss_grid((1e-4, 2e-4, 4e-4, 7e-4, 1.2e-3, 2e-3), 60),
    )

    def __init__(self, config: SimNPOConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """No reference but for a KL retain term."""
        return Plan(
            normalizer="sequences", retain=self.config.retain_rows, retain_reference=self.config.retain_compares
        )

    def forget_loss(self, seen: Predictions) -> Tensor:
        """The SimNPO term."""
        return simnpo_loss(seen.policy, self.config.beta, self.config.gamma)

    def retain_loss(self, seen: Predictions) -> Tensor:
        """lambda CE_ret or lambda KL_ret."""
        return weighted_retain(self.config, seen)
