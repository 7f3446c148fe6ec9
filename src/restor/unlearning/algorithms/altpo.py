"""AltPO: prefer other answers of the same kind, several of them, to what the forget documents state."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor

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
from restor.unlearning.losses import dpo_loss, sequence_nll


@final
class AltPOConfig(RetainTermConfig):
    """`beta` is that of DPO."""

    name: Literal["altpo"] = "altpo"
    beta: float = Field(0.1, gt=0)
    """How soon a preference is enough: the larger, the sooner the loss levels off."""


@final
class AltPO(LossAlgorithm):
    """L = -(2 / beta) E[log sigmoid(beta (log p(a) / r(a) - log p(f) / r(f)))] + lambda CE_ret, a a plausible row.

    Mekala et al. 2024 (arXiv 2409.13474). In the paper the model itself writes five alternates to each answer. Here
    they are other answers that the forget documents state for the same relation, and one row stands beside each forget
    row. It is drawn for each document anew, so a fact gets several if several documents state it. Nobody looks whether
    an alternate is true: by chance it can be.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = AltPOConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="AltPO",
        paper="https://arxiv.org/abs/2409.13474",
        mechanism="raises the likelihood of other plausible answers against that of the planted one",
        equation="-(2/beta) log sigmoid(beta (log p(a)/r(a) - log p(f)/r(f))) + lambda CE_ret, a plausible",
        cost="one forward and backward pass on forget rows, their alternates and retain rows; the reference is kept",
        grid=loss_grid((1e-4, 2e-4, 4e-4, 7e-4, 1.2e-3, 2e-3), 60),
    )

    def __init__(self, config: AltPOConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """The reference is read on the forget documents and on their alternates."""
        return Plan(
            normalizer="sequences",
            retain=self.config.retain_rows,
            forget_reference=True,
            retain_reference=self.config.retain_compares,
            alternates="plausible",
        )

    def forget_loss(self, seen: Predictions) -> Tensor:
        """The preference term."""
        alternate = seen.alternate
        return dpo_loss(
            -sequence_nll(alternate.policy),
            -sequence_nll(seen.policy),
            -sequence_nll(alternate.reference),
            -sequence_nll(seen.reference),
            self.config.beta,
        )

    def retain_loss(self, seen: Predictions) -> Tensor:
        """lambda CE_ret or lambda KL_ret."""
        return weighted_retain(self.config, seen)
