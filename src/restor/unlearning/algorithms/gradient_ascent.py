"""Gradient ascent, and GradDiff when a retain term is added."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from torch import Tensor

from restor.models.labelled import Labelled
from restor.types import Budget
from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    LossAlgorithm,
    LossPlan,
    RetainTermConfig,
    loss_grid,
)
from restor.unlearning.losses import mean_nll, retain_term


@final
class GradientAscentConfig(RetainTermConfig):
    """`retain_weight` is the paper's lambda; 0 is plain gradient ascent."""

    name: Literal["gradient_ascent"] = "gradient_ascent"


def ascent_loss(policy: Labelled) -> Tensor:
    """-CE_f: the negative cross-entropy on the forget documents, mean over labelled tokens; unbounded below."""
    return -mean_nll(policy)


@final
class GradientAscent(LossAlgorithm):
    """L = -CE_f + lambda CE_ret.

    Yao et al. 2023 (arXiv 2310.10683); with the retain term GradDiff, Maini et al. 2024 (TOFU, arXiv 2401.06121,
    "gradient difference").
    """

    config_type: ClassVar[type[AlgorithmConfig]] = GradientAscentConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="Gradient ascent / GradDiff",
        paper="https://arxiv.org/abs/2310.10683",
        equation="-CE_f + lambda CE_ret",
        budget=(Budget.FORGET, Budget.RETAIN),
        grid=loss_grid((5e-5, 1e-4, 3e-4), (20, 60)),
    )

    def __init__(self, config: GradientAscentConfig) -> None:
        self.config = config

    @property
    def plan(self) -> LossPlan:
        """No reference but for a KL retain term."""
        return LossPlan(retain=self.config.retain_weight > 0, retain_reference=self.config.retain == "kl")

    def forget_loss(self, policy: Labelled, reference: Labelled | None) -> Tensor:
        """-CE_f."""
        return ascent_loss(policy)

    def retain_loss(self, policy: Labelled, reference: Labelled | None) -> Tensor:
        """lambda CE_ret or lambda KL_ret."""
        return self.config.retain_weight * retain_term(self.config.retain, policy, reference)
