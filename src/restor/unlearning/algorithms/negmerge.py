"""NegMerge: subtract what several fine-tunings on the forget documents agree on in sign."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor

from restor.models.arithmetic import Lazy, Weights, plus
from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    Choice,
    Plan,
    Session,
    WeightAlgorithm,
)


@final
class NegMergeConfig(AlgorithmConfig):
    """`alpha` scales the merged vector, the paper's lambda."""

    name: Literal["negmerge"] = "negmerge"
    alpha: float = Field(1.0, gt=0)
    """Factor of the merged vector that is subtracted, the paper's lambda."""
    lrs: tuple[float, ...] = Field((0.5, 1.0, 2.0), min_length=1)
    """The fine-tunings' learning rates, as factors on that of the run. Every one is combined with every length."""
    steps: tuple[float, ...] = Field((0.5, 1.0), min_length=1)
    """Their lengths, as factors on the steps of the run."""

    @model_validator(mode="after")
    def _several(self) -> Self:
        if len(self.lrs) * len(self.steps) < 2:
            raise ValueError(
                "lrs and steps name one fine-tuning, which agrees with itself: give more, or use task_vector"
            )
        if min(*self.lrs, *self.steps) <= 0:
            raise ValueError("lrs and steps are factors above 0")
        return self


def sign_consensus(vectors: Iterable[Tensor]) -> Tensor:
    """The mean of several vectors where all have the same sign, 0 elsewhere.

    Kim et al. 2025 (arXiv 2410.05583): tau_merged = (1 / n) sum_k tau_k [the signs of all n agree], per element.
    """
    count = 0
    total = votes = torch.zeros(())
    for vector in vectors:  # one at a time in memory
        total, votes, count = total + vector, votes + vector.sign(), count + 1
    return torch.where(votes.abs() == count, total / count, 0.0)


@final
class NegMerge(WeightAlgorithm):
    """theta - alpha tau, tau being what n task vectors agree on: their mean where all have the same sign, else 0.

    Kim, Han and Choe 2025 (arXiv 2410.05583, ICML 2025). The paper merges the 10 to 30 candidates of a search over
    fine-tunings of image models; here they are n = 6, over learning rate and length, each with its own data order.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = NegMergeConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="NegMerge",
        paper="https://arxiv.org/abs/2410.05583",
        mechanism="subtracts what several fine-tunings on the forget documents change in the same direction",
        equation="theta - alpha mean_k(tau_k) [all sign(tau_k) agree], tau_k = theta_f,k - theta",
        cost="six fine-tunings on the forget documents by default, of 4.5 times the run's steps in all",
        grid=tuple(Choice(3e-4, 40, {"alpha": alpha}) for alpha in (1.0, 2.0, 4.0, 6.0, 8.0, 10.0)),
    )

    def __init__(self, config: NegMergeConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """No retain text, no reference."""
        return Plan(retain=None)

    def edit(self, session: Session) -> Weights:
        """Fine-tune several times and step the other way where all agree."""
        ways = [(lr, steps) for lr in self.config.lrs for steps in self.config.steps]
        vectors = [
            session.vector("corrupted", "forget", lr=lr, steps=steps, seed=number)
            for number, (lr, steps) in enumerate(ways)
        ]
        # What one of them leaves as it is has no sign to agree on.
        names = [name for name in vectors[0] if all(name in vector for vector in vectors)]
        merged = Lazy(names, lambda name: sign_consensus(vector[name] for vector in vectors))
        return plus(session.corrupted, (-self.config.alpha, merged))
