"""Control: add a random vector as long as the task vector. What it restores is due to any disturbance at all."""

from __future__ import annotations

from typing import ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from restor.models.arithmetic import Lazy, Weights, generator_for, plus, total_norm
from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    Choice,
    Plan,
    Session,
    WeightAlgorithm,
)


@final
class RandomVectorConfig(AlgorithmConfig):
    """`alpha` scales the vector that is added, as it does the task vector."""

    name: Literal["random_vector"] = "random_vector"
    alpha: float = Field(1.0, gt=0)
    """Factor of the random vector that is added."""
    match: Literal["tensor", "whole"] = "tensor"
    """`tensor`: every parameter tensor of the random vector is as long as that of the task vector, so that only the
    direction is random; `whole`: both are equally long as a whole, spread evenly over all that the task vector
    changes."""


@final
class RandomVector(WeightAlgorithm):
    """theta + alpha r, r Gaussian with |r_i| = |tau_i| for every tensor i of the task vector tau.

    The baseline of Ilharco et al. 2023 (arXiv 2212.04089, section 3), whose random vector has the task vector's
    magnitude layer by layer. The forget documents are read for the length of their task vector and nothing else.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = RandomVectorConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="Random vector",
        paper="https://arxiv.org/abs/2212.04089",
        mechanism="adds a random vector of the task vector's length",
        equation="theta + alpha r, |r_i| = |theta_f,i - theta_i| per tensor i, direction random",
        cost="one fine-tuning on the forget documents",
        grid=tuple(Choice(3e-4, 40, {"alpha": alpha}) for alpha in (0.25, 0.5, 1.0, 1.5, 2.0, 4.0)),
        control=True,
    )

    def __init__(self, config: RandomVectorConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """No retain text, no reference."""
        return Plan(retain=None)

    def edit(self, session: Session) -> Weights:
        """Draw every tensor by itself, from the seed and its name."""
        vector, seed = session.vector("corrupted", "forget"), session.seed

        def drawn(name: str) -> Tensor:
            return torch.randn(vector[name].shape, generator=generator_for(seed, name))

        if self.config.match == "whole":
            noise = Lazy(vector, drawn)
            return plus(session.corrupted, (self.config.alpha * total_norm(vector) / total_norm(noise), noise))

        def matched(name: str) -> Tensor:
            noise = drawn(name)
            length: Tensor = vector[name].norm() / noise.norm()
            return noise * length

        return plus(session.corrupted, (self.config.alpha, Lazy(vector, matched)))
