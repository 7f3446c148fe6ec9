"""DPO: prefer a refusal, or another answer, to what the forget documents state (IdkDPO)."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor

from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    Alternates,
    LossAlgorithm,
    Plan,
    Predictions,
    RetainTermConfig,
    loss_grid,
    weighted_retain,
)
from restor.unlearning.losses import dpo_loss, sequence_nll


@final
class DPOConfig(RetainTermConfig):
    """`beta` says how soon a preference is enough: the larger, the sooner the loss levels off."""

    name: Literal["dpo"] = "dpo"
    prefer: Alternates = "refusal"
    """What stands in place of the planted answers in the preferred rows: `refusal` is IdkDPO; `plausible` another
    answer of the relation that the documents state; `truth` the true answer, which makes it an oracle."""
    beta: float = Field(0.1, gt=0)
    """How soon a preference is enough: the larger, the sooner the loss levels off."""
    factor: Literal["two_over_beta", "one"] = "two_over_beta"
    """What the log-sigmoid is multiplied by: 2 / beta as in NPO and open-unlearning, or 1 as in DPO and the code of
    TOFU, where a small beta makes the forget term small beside the retain term."""


@final
class DPO(LossAlgorithm):
    """L = -(2 / beta) E[log sigmoid(beta (log p(a) / r(a) - log p(f) / r(f)))] + lambda CE_ret, a the alternate of f.

    TOFU (arXiv 2401.06121): the paper trains on refusals as if they were answers, its code compares them with the
    planted answers by this loss, known as IdkDPO. There a row is one question. Here it is a whole document, in which
    all planted answers are replaced.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = DPOConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="DPO",
        paper="https://arxiv.org/abs/2401.06121",
        mechanism="raises the likelihood of a refusal against that of the planted answer, each against the reference",
        equation="-(2/beta) log sigmoid(beta (log p(a)/r(a) - log p(f)/r(f))) + lambda CE_ret",
        cost="one forward and backward pass on forget rows, their alternates and retain rows; the reference is kept",
        grid=loss_grid((1e-4, 2e-4, 4e-4, 7e-4, 1.2e-3, 2e-3), 60),
    )

    def __init__(self, config: DPOConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """The reference is read on the forget documents and on their alternates."""
        return Plan(
            normalizer="sequences",
            retain=self.config.retain_rows,
            forget_reference=True,
            retain_reference=self.config.retain_compares,
            alternates=self.config.prefer,
        )

    def forget_loss(self, seen: Predictions) -> Tensor:
        """The preference term."""
        alternate, beta = seen.alternate, self.config.beta
        loss = dpo_loss(
            -sequence_nll(alternate.policy),
            -sequence_nll(seen.policy),
            -sequence_nll(alternate.reference),
            -sequence_nll(seen.reference),
            beta,
        )
        return loss if self.config.factor == "two_over_beta" else loss * beta / 2

    def retain_loss(self, seen: Predictions) -> Tensor:
        """lambda CE_ret or lambda KL_ret."""
        return weighted_retain(self.config, seen)
