"""Control: train on the retain text alone. Whatever it restores, a method with the same text cannot claim."""

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
    loss_grid,
)
from restor.unlearning.losses import mean_nll


@final
class RetainOnlyConfig(AlgorithmConfig):
    """Nothing to set but learning rate and steps."""

    name: Literal["retain_only"] = "retain_only"


@final
class RetainOnly(LossAlgorithm):
    """L = CE_ret: the retain term of every method, without a forget term."""

    config_type: ClassVar[type[AlgorithmConfig]] = RetainOnlyConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="Retain only",
        paper="https://arxiv.org/abs/2411.00204",
        equation="CE_ret",
        budget=(Budget.RETAIN,),
        grid=loss_grid((1e-4, 3e-4, 1e-3), (20, 60)),
    )

    def __init__(self, config: RetainOnlyConfig) -> None:
        self.config = config

    @property
    def plan(self) -> LossPlan:
        """No forget term."""
        return LossPlan(forget=False)

    def forget_loss(self, policy: Labelled, reference: Labelled | None) -> Tensor:
        """There is none."""
        raise NotImplementedError("retain_only has no forget term")

    def retain_loss(self, policy: Labelled, reference: Labelled | None) -> Tensor:
        """CE_ret."""
        return mean_nll(policy)
