"""Rewind to delete: go back to a checkpoint from before the forget documents and train on without them."""

from __future__ import annotations

from typing import ClassVar, Literal, final

import torch
from pydantic import Field

from restor.models.arithmetic import Lazy, Weights, generator_for, plus
from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    Plan,
    Session,
    WeightAlgorithm,
    loss_grid,
)


@final
class RewindConfig(AlgorithmConfig):
    """How far to go back, and the noise of the certified variant."""

    name: Literal["rewind"] = "rewind"
    sigma: float = Field(0.0, ge=0)
    """Standard deviation of Gaussian noise added to every parameter at the end. The paper's guarantee needs some, such
    as 0.01; 0 is the algorithm without a guarantee."""
    checkpoint: float = Field(1.0, gt=0, le=1)
    """Which checkpoint, as the share of the clean training it had seen; 1 is the model just before the corruption."""


@final
class Rewind(WeightAlgorithm):
    """theta_C after the run's steps on the retain text, + N(0, sigma^2).

    Mu and Klabjan 2025, Rewind-to-Delete (arXiv 2409.09778): from the checkpoint of K steps before the end, K steps of
    gradient descent on what is retained. Here K is the run's steps and the optimiser is the run's.

    It reads neither the forget documents nor the corrupted model: it knows what the checkpoint knew and what the retain
    text teaches. With the checkpoint just before the corruption it is the clean model, trained a little further, and
    bounds what others can reach; with an earlier one the price of going back shows.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = RewindConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="Rewind to delete",
        paper="https://arxiv.org/abs/2409.09778",
        mechanism="restarts at an earlier checkpoint and trains on the retain text alone",
        equation="theta_C, then K steps on CE_ret (+ sigma N)",
        cost="one fine-tuning of the checkpoint; everything learnt after it and not in the retain text is lost",
        grid=loss_grid((3e-5, 1e-4, 2e-4, 4e-4, 7e-4, 1e-3), 60),
    )

    def __init__(self, config: RewindConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """No forget documents."""
        return Plan(forget=False, checkpoint=True)

    def edit(self, session: Session) -> Weights:
        """Every parameter is the checkpoint's, whatever the corrupted model's is."""
        checkpoint = session.checkpoint
        trained = plus(checkpoint, (1.0, session.vector("checkpoint", "retain")))
        if not self.config.sigma:
            return trained
        seed = session.seed
        noise = Lazy(checkpoint, lambda name: torch.randn(checkpoint[name].shape, generator=generator_for(seed, name)))
        return plus(trained, (self.config.sigma, noise))
