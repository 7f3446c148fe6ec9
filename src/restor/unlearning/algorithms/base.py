"""Unlearning algorithms. One file is one algorithm: its loss as a pure function, its config, its paper, its budget.

Two families: a `LossAlgorithm` says what to minimise, a `WeightAlgorithm` computes new weights. The optimiser, the data
order and the reference model belong to the loop and to `unlearn`, not to an algorithm.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from pydantic import Field
from torch import Tensor

from restor.config import Config
from restor.models.arithmetic import Weights
from restor.models.labelled import Labelled
from restor.registry import Catalogue
from restor.training.objective import Normalizer
from restor.types import Budget


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """One point of a search grid."""

    lr: float
    steps: int
    options: Mapping[str, Any]


@final
@dataclass(frozen=True, slots=True)
class AlgorithmInfo:
    """What a reader must know of an algorithm before believing its score."""

    title: str
    paper: str
    """Link to the paper that proposes it."""
    equation: str
    budget: tuple[Budget, ...]
    """What it is told."""
    grid: tuple[Choice, ...]
    """The points a selection tries: as many as every other algorithm's."""


GRID_SIZE = 6
"""Points in every algorithm's grid, so that none is tuned more than another."""


class AlgorithmConfig(Config):
    """The base of every algorithm's configuration: its hyperparameters with the paper's defaults."""

    name: str


class RetainTermConfig(AlgorithmConfig):
    """The base of the configurations that have a retain term."""

    retain_weight: float = Field(1.0, ge=0)
    """Weight of the retain term; 0 leaves it out, and the retain text unread."""
    retain: Literal["nll", "kl"] = "nll"
    """`nll`: cross-entropy on the retain text; `kl`: KL(reference || policy) there."""


@final
@dataclass(frozen=True, slots=True)
class LossPlan:
    """What a loss algorithm reads, as configured."""

    normalizer: Normalizer = "tokens"
    """What the forget term is a mean over."""
    forget: bool = True
    retain: bool = True
    forget_reference: bool = False
    """Whether the forget term compares with the reference model."""
    retain_reference: bool = False
    """Whether the retain term does."""


class Algorithm(ABC):
    """What both families share."""

    config_type: ClassVar[type[AlgorithmConfig]]
    info: ClassVar[AlgorithmInfo]

    @property
    @abstractmethod
    def plan(self) -> LossPlan:
        """What it reads, as configured."""


class LossAlgorithm(Algorithm):
    """Minimises forget term + retain term by gradient descent from the corrupted model."""

    @abstractmethod
    def forget_loss(self, policy: Labelled, reference: Labelled | None) -> Tensor:
        """The weighted forget term, a scalar to be minimised. Called only when the plan has one."""

    @abstractmethod
    def retain_loss(self, policy: Labelled, reference: Labelled | None) -> Tensor:
        """The weighted retain term, a scalar to be minimised. Called only when the plan has one."""


FineTune = Callable[[Literal["corrupted", "checkpoint"], Literal["forget", "retain"]], Weights]
"""Fine-tunes a start on a text with the arm's steps and learning rate, and returns the new weights."""


class WeightAlgorithm(Algorithm):
    """Computes the unlearned weights from those of several models."""

    @abstractmethod
    def edit(self, corrupted: Weights, checkpoint: Weights | None, fine_tune: FineTune) -> Weights:
        """The unlearned weights.

        Args:
            corrupted: theta, the weights to be unlearned.
            checkpoint: theta_C, an earlier checkpoint that never read the forget documents, where the budget has it.
            fine_tune: trains a copy of one of the two on the forget documents or the retain text.
        """


ALGORITHMS: Catalogue[Algorithm] = Catalogue(
    "algorithm", "restor.unlearning.algorithms", Algorithm, "restor.algorithms"
)


def loss_grid(lrs: tuple[float, float, float], steps: tuple[int, int]) -> tuple[Choice, ...]:
    """Three learning rates by two lengths: the grid of a loss algorithm, six points."""
    return tuple(Choice(lr, count, {}) for lr in lrs for count in steps)
