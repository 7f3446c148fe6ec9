"""Influence update: one Newton step that removes the influence of the forget documents, diagonal Fisher for Hessian."""

from __future__ import annotations

from typing import ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from restor.models.arithmetic import Lazy, Weights, plus, total_norm
from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    Choice,
    Plan,
    Session,
    WeightAlgorithm,
)


@final
class InfluenceConfig(AlgorithmConfig):
    """Length and damping of the step; learning rate and steps of the run play no part."""

    name: Literal["influence"] = "influence"
    scale: float = Field(0.03, gt=0)
    """Length of the step, in `unit`."""
    unit: Literal["weights", "newton"] = "weights"
    """`weights`: the step is so many times as long as the weights are, which suits models of any size; `newton`: the
    factor of the formula itself, in theory the share m / n of the training rows that is forgotten."""
    damping: float = Field(0.1, gt=0)
    """Added to the Fisher information, as a multiple of its mean in each tensor. 0.1 as in Grosse et al. 2023
    (arXiv 2308.03296)."""
    fisher: Literal["retain", "forget"] = "retain"
    """The text on which the Fisher information is taken; with `forget` no retain text is read."""


def newton_step(gradient: Tensor, fisher: Tensor, damping: float) -> Tensor:
    """(F + lambda)^-1 g of one tensor, lambda = damping times the mean of F; 0 where F is 0 in the whole tensor."""
    level = damping * fisher.mean()
    return gradient / (fisher + level) if level > 0 else torch.zeros_like(gradient)


@final
class Influence(WeightAlgorithm):
    """theta + c (F + lambda)^-1 g_f, g_f the mean gradient of CE on the forget rows, F a diagonal empirical Fisher.

    Koh and Liang 2017 (arXiv 1703.04730): the optimum moves by -eps H^-1 g when a text is weighed up by eps, so by
    + (m / n) H^-1 g_f when m of n rows are left out. For language models Gu et al. 2024, "Fisher removal" (arXiv
    2403.10557), with an inverse empirical Fisher by rank-one updates in place of a diagonal. The loss on the forget
    documents rises, least along what matters to the Fisher's text.

    The rows' squared gradients underestimate the curvature, the more so the longer the rows, and a diagonal lacks what
    parameters do together. So the step that works is far shorter than m / n, and by default only its direction is
    taken.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = InfluenceConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="Influence update",
        paper="https://arxiv.org/abs/2403.10557",
        mechanism="one step up the forget documents' loss, divided by the retain text's curvature",
        equation="theta + c (F_ret + lambda)^-1 mean grad CE_f, F diagonal",
        cost="one backward pass over the forget rows and one per row of the Fisher's text (at most 256); no training",
        grid=tuple(Choice(1e-3, 1, {"scale": scale}) for scale in (0.02, 0.04, 0.06, 0.08, 0.1, 0.15)),
    )

    def __init__(self, config: InfluenceConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """Retain text for its curvature, unless that of the forget documents is taken."""
        return Plan(retain="text" if self.config.fisher == "retain" else None)

    def edit(self, session: Session) -> Weights:
        """Both at the corrupted model."""
        gradient = session.gradient("corrupted", "forget")
        fisher = session.gradient("corrupted", self.config.fisher, squared=True)
        names = [name for name in gradient if name in fisher]
        step = Lazy(names, lambda name: newton_step(gradient[name], fisher[name], self.config.damping))
        factor = self.config.scale
        if self.config.unit == "weights":
            theta = session.corrupted
            length = total_norm(step)
            factor *= total_norm(Lazy(names, lambda name: theta[name])) / length if length else 0.0
        return plus(session.corrupted, (factor, step))
