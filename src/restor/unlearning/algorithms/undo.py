"""UNDO: unlearn, disturb the weights, and distil the unlearned model back into the disturbed one on retain text."""

from __future__ import annotations

from typing import ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from restor.models.arithmetic import Lazy, Weights, generator_for
from restor.unlearning.algorithms._suppression import Suppression
from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    Choice,
    Plan,
    Session,
    WeightAlgorithm,
)


@final
class UndoConfig(AlgorithmConfig):
    """Learning rate and steps of the run are those of the distillation."""

    name: Literal["undo"] = "undo"
    alpha: float = Field(0.6, gt=0, le=1)
    """How much of the weights is lost, in favour of noise; 1 is a new model if `beta` is 1."""
    beta: float = Field(0.1, ge=0)
    """Scale of the noise; 0 shrinks the weights and adds none."""
    suppression: Literal["max_entropy", "gradient_difference"] = "max_entropy"
    """The loss that unlearns first: `max_entropy` drives the predictions on the forget documents to the uniform
    distribution, `gradient_difference` is gradient ascent there."""
    retain_weight: float = Field(1.0, ge=0)
    """Weight of the cross-entropy on the retain text in that loss."""
    suppression_lr: float = Field(0.3, gt=0)
    """Its learning rate, as a factor on that of the run."""
    suppression_steps: float = Field(0.5, gt=0)
    """Its steps, as a factor on those of the run."""
    temperature: float = Field(1.0, gt=0)
    """Of teacher and student in the distillation."""


def shrink_and_perturb(weight: Tensor, noise: Tensor, alpha: float, beta: float) -> Tensor:
    """(1 - alpha) theta + alpha beta N, Lee et al. 2025 (arXiv 2506.06278), the noise step."""
    return (1 - alpha) * weight + alpha * beta * noise


def xavier_noise(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """A matrix of Xavier's uniform initialisation, U(-b, b) with b^2 = 6 / (rows + columns).

    0 for a parameter that is no matrix, as in the published code: such as the gain of a norm is only shrunk.
    """
    if len(shape) != 2:
        return torch.zeros(shape)
    bound = (6.0 / (shape[0] + shape[1])) ** 0.5
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)


@final
class Undo(WeightAlgorithm):
    """theta_u = argmin of a simple unlearning loss; theta_p = (1 - alpha) theta_u + alpha beta N; from
    there KL(p_u || p) is minimised on the retain text.

    Lee et al. 2025, unlearn-noise-distil on outputs (arXiv 2506.06278, NeurIPS 2025), N Xavier noise. It aims at
    unlearning that survives relearning: what the outputs do not show is not distilled. Whatever the retain text does
    not show is lost in the same way. The paper distils until the retain performance is back, on much text of the
    pre-training; here for the run's steps, which may not repair what an alpha of 0.6 took.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = UndoConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="UNDO",
        paper="https://arxiv.org/abs/2506.06278",
        mechanism="unlearns, damages the weights and distils the unlearned model back into them on retain text",
        equation="min KL(p_u || p_theta)_ret from (1 - alpha) theta_u + alpha beta N, theta_u unlearned by MaxEnt",
        cost="a short unlearning run and a distillation with a second model as teacher",
        grid=tuple(Choice(lr, 80, {"alpha": alpha}) for lr in (5e-4, 1e-3) for alpha in (0.1, 0.2, 0.3)),
    )

    def __init__(self, config: UndoConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """Both texts; the teacher is made from the model itself."""
        return Plan(retain="text")

    def edit(self, session: Session) -> Weights:
        """Unlearn, noise, distil."""
        options, seed = self.config, session.seed
        unlearned = session.minimised(
            session.corrupted,
            Suppression(options.suppression, options.retain_weight),
            lr=options.suppression_lr,
            steps=options.suppression_steps,
        )

        def disturbed(name: str) -> Tensor:
            weight = unlearned[name]
            noise = xavier_noise(weight.shape, generator_for(seed, name))
            return shrink_and_perturb(weight, noise, options.alpha, options.beta)

        student = Lazy(unlearned, disturbed)
        return session.distilled(student, unlearned, "retain", temperature=options.temperature)
