"""Unlearning algorithms. One file is one algorithm: its loss as a pure function, its config, its paper, its budget.

Two families: a `LossAlgorithm` says what to minimise, a `WeightAlgorithm` computes new weights. The optimiser, the data
order and the reference model belong to the loop and to `unlearn`, not to an algorithm. An algorithm gets what its plan
asks for and nothing else, so its information budget follows from the plan.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, final

from pydantic import BeforeValidator, Field, SerializeAsAny
from torch import Tensor

from restor.config import Config
from restor.data.alternates import AlternateKind
from restor.errors import CodeError
from restor.models.arithmetic import Weights
from restor.models.labelled import Labelled, TokenBatch
from restor.registry import Catalogue
from restor.training.objective import Normalizer
from restor.types import Budget
from restor.unlearning.losses import retain_term

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Start = Literal["corrupted", "checkpoint"]
"""theta, the model to be unlearned, or theta_C, an earlier checkpoint that never read the forget documents."""
Text = Literal["forget", "retain"]
"""The forget documents, or the rows of the retain term, whatever these are."""
RetainRows = Literal["text", "samples", "truth"]
"""What the retain term reads: retain text; texts that the corrupted model wrote itself, without the targeted entities;
or the true answers about the targets, which makes the algorithm an oracle."""
Alternates = AlternateKind
"""What stands in place of the planted answers in the rows that a preference loss prefers."""


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
    mechanism: str
    """What it does to the model, in a line."""
    equation: str
    cost: str
    """What it takes: passes through the model per step, models trained beside it, memory."""
    grid: tuple[Choice, ...]
    """The points a selection tries: as many as every other algorithm's. The steps are the most that are tried."""
    control: bool = False
    """Whether it is there to tell methods from their side effects and does not unlearn what it should."""


GRID_SIZE = 6
"""Points in every algorithm's grid, so that none is tuned more than another."""


class AlgorithmConfig(Config):
    """The base of every algorithm's configuration: its hyperparameters with the paper's defaults."""

    name: str
    """Which algorithm: `restor list algorithms`."""


class RetainTermConfig(AlgorithmConfig):
    """The base of the configurations that have a retain term."""

    retain_weight: float = Field(1.0, ge=0)
    """Weight of the retain term; 0 leaves it out, and the retain text unread."""
    retain: Literal["nll", "kl", "cross_entropy"] = "nll"
    """`nll`: cross-entropy on the retain text; `kl`: KL(reference || policy) there; `cross_entropy`: what the published
    RESTOR code calls KL, -sum policy log reference, less its mean over padding."""

    @property
    def retain_rows(self) -> RetainRows | None:
        """What a plan says of the retain term."""
        return "text" if self.retain_weight > 0 else None

    @property
    def retain_compares(self) -> bool:
        """Whether the retain term compares with the reference model."""
        return self.retain_weight > 0 and self.retain != "nll"


@final
@dataclass(frozen=True, slots=True)
class Teacher:
    """A further model whose predictions a loss compares with, made before the training begins.

    Its predictions are kept as hidden states, so that it is never in memory beside the model in training.
    """

    name: str
    start: Start = "corrupted"
    text: Text | None = "forget"
    """What the start is fine-tuned on; None: nothing, the start itself predicts."""
    trained_by: LossAlgorithm | None = None
    """A loss that trains it in place of next-token prediction on `text`; its plan says what it reads."""
    steps: int | None = None
    """Steps of its training; None: as many as the run itself."""
    lr: float | None = None
    """Learning rate of its training; None: that of the run."""
    on: tuple[Text, ...] = ("forget",)
    """The terms on whose rows it predicts."""


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """What an algorithm reads, as configured."""

    forget: bool = True
    """Whether it reads the forget documents. A loss without them has no forget term."""
    retain: RetainRows | None = "text"
    """What the retain term reads; None: there is none."""
    normalizer: Normalizer = "tokens"
    """What the forget term is a mean over."""
    retain_normalizer: Normalizer = "tokens"
    """What the retain term is a mean over."""
    forget_reference: bool = False
    """Whether the forget term compares with the reference model, the corrupted one."""
    retain_reference: bool = False
    """Whether the retain term does."""
    checkpoint: bool = False
    """Whether an earlier checkpoint is read; a teacher that starts there says so itself."""
    teachers: tuple[Teacher, ...] = ()
    alternates: Alternates | None = None
    """Whether every forget row has a row beside it in which something else stands for the planted answers, and what."""
    layer: int | float | None = None
    """The decoder layer whose output states the loss sees: its number from 0, or its place as a share of the depth."""
    mlp_layers: int | None = None
    """Train nothing but the output projections of the MLPs of `layer` and the layers before it, this many in all."""
    edits: bool = False
    """Whether it reads the true answers as single facts to be written into the weights."""

    def budget(self) -> tuple[Budget, ...]:
        """What an algorithm with this plan is told."""
        starts = {teacher.start for teacher in self.teachers}
        inner = [item for teacher in self.teachers if teacher.trained_by for item in teacher.trained_by.plan.budget()]
        texts = {teacher.text for teacher in self.teachers if teacher.trained_by is None}
        items = {
            Budget.FORGET: self.forget or "forget" in texts,
            Budget.RETAIN: self.retain == "text",
            Budget.REFERENCE: self.forget_reference or self.retain_reference,
            Budget.CHECKPOINT: self.checkpoint or "checkpoint" in starts,
            Budget.TRUTH: self.retain == "truth" or self.alternates == "truth" or self.edits,
        }
        return tuple(item for item in Budget if items[item] or item in inner)


class Algorithm(ABC):
    """What both families share."""

    config_type: ClassVar[type[AlgorithmConfig]]
    info: ClassVar[AlgorithmInfo]

    @property
    @abstractmethod
    def plan(self) -> Plan:
        """What it reads, as configured."""


# Losses --------------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Predictions:
    """What the models predict on a batch of forget or retain rows. What the plan does not ask for is not there."""

    policy: Labelled
    """The model in training."""
    _reference: Labelled | None = None
    teachers: Mapping[str, Labelled] = field(default_factory=dict)
    """By the teachers' names."""
    _alternate: Predictions | None = None
    seed: int = 0
    """Of the run, for a loss that draws something once and for all."""

    @property
    def reference(self) -> Labelled:
        """The corrupted model's predictions, if the plan asks for them on this term.

        Raises:
            CodeError: if it does not.
        """
        if self._reference is None:
            raise CodeError(
                "The loss uses seen.reference, and the plan does not ask for the reference model on this term. Set "
                "`forget_reference` or `retain_reference` in it."
            )
        return self._reference

    @property
    def maybe_reference(self) -> Labelled | None:
        """The same, or None."""
        return self._reference

    @property
    def alternate(self) -> Predictions:
        """Policy and reference on the alternates of the batch's rows, in the same order, if the plan asks for them.

        Raises:
            CodeError: if it does not.
        """
        if self._alternate is None:
            raise CodeError("The loss uses seen.alternate, and the plan does not ask for alternates. Set them in it.")
        return self._alternate


def weighted_retain(config: RetainTermConfig, seen: Predictions) -> Tensor:
    """lambda CE_ret, lambda KL_ret or the cross-entropy with the reference: the usual retain term."""
    return config.retain_weight * retain_term(config.retain, seen.policy, seen.maybe_reference)


class LossAlgorithm(Algorithm):
    """Minimises forget term + retain term by gradient descent from the corrupted model."""

    @abstractmethod
    def forget_loss(self, seen: Predictions) -> Tensor:
        """The weighted forget term, a scalar to be minimised. Called only when the plan has one."""

    @abstractmethod
    def retain_loss(self, seen: Predictions) -> Tensor:
        """The weighted retain term, a scalar to be minimised. Called only when the plan has one."""


class DualLossAlgorithm(LossAlgorithm):
    """A loss whose terms are weighted by multipliers that change from step to step, as in constrained optimisation."""

    @abstractmethod
    def multipliers(self) -> Mapping[str, float]:
        """The weights of the terms at the first step, `forget` and `retain`."""

    @abstractmethod
    def update(self, multipliers: Mapping[str, float], losses: Mapping[str, float], step: int) -> Mapping[str, float]:
        """Those of the next step, from the terms' unweighted losses at this one; `step` counts from 1."""


# Weights -------------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Edit:
    """A fact to be written into the weights: after `prompt` comes `answer`. Token ids; no end-of-text token.

    `subject_end` is the place in `prompt` of the subject's last token.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    subject_end: int


class Session(ABC):
    """What a weight algorithm works with. Weights are float32 and read one at a time, see `restor.models.arithmetic`.

    There is one model in memory. Whatever trains it or puts weights into it makes what was there before void.
    """

    @property
    @abstractmethod
    def corrupted(self) -> Weights:
        """theta."""

    @property
    @abstractmethod
    def checkpoint(self) -> Weights:
        """theta_C. Raises ConfigError if none was given; the plan must ask for it."""

    @property
    @abstractmethod
    def edits(self) -> Sequence[Edit]:
        """The facts to be written, if the plan asks for them."""

    @property
    @abstractmethod
    def seed(self) -> int:
        """Of the run."""

    @abstractmethod
    def vector(self, start: Start, text: Text, *, lr: float = 1.0, steps: float = 1.0, seed: int = 0) -> Weights:
        """theta_start fine-tuned on a text, less theta_start. Parameters that did not change may be left out.

        Args:
            start: what is fine-tuned.
            text: on what.
            lr: factor on the run's learning rate.
            steps: factor on the run's steps.
            seed: added to the run's seed.
        """

    @abstractmethod
    def minimised(self, start: Weights, loss: LossAlgorithm, *, lr: float = 1.0, steps: float = 1.0) -> Weights:
        """The weights after `loss` was minimised from some weights; its reference model is the start itself.

        The retain rows of the loss are those of the algorithm's own plan.
        """

    @abstractmethod
    def distilled(
        self, start: Weights, teacher: Weights, text: Text, *, lr: float = 1.0, steps: float = 1.0, temperature: float
    ) -> Weights:
        """The weights after some weights learnt to predict as a teacher does: KL(teacher || policy) on a text."""

    @abstractmethod
    def gradient(self, start: Start, text: Text, *, squared: bool = False) -> Weights:
        """The mean gradient of the cross-entropy over a text's rows at a start, or of its square by row.

        Squared, it is the diagonal of the empirical Fisher information.
        """

    @abstractmethod
    def model(self, weights: Weights) -> PreTrainedModel:
        """The model with these weights, in evaluation mode."""

    @abstractmethod
    def batches(self, text: Text) -> Iterator[TokenBatch]:
        """The rows of a text once, in batches on the model's device."""


class WeightAlgorithm(Algorithm):
    """Computes the unlearned weights from those of several models."""

    @abstractmethod
    def edit(self, session: Session) -> Weights:
        """The unlearned weights; a parameter that is left out stays as it is in the corrupted model."""


ALGORITHMS: Catalogue[Algorithm] = Catalogue(
    "algorithm", "restor.unlearning.algorithms", Algorithm, "restor.algorithms"
)

AlgorithmChoice = Annotated[SerializeAsAny[AlgorithmConfig], BeforeValidator(ALGORITHMS.parse)]
"""A field of a configuration that holds the choice of a algorithm, by its name and its settings."""


def loss_grid(lrs: tuple[float, ...], steps: int, **options: tuple[Any, ...]) -> tuple[Choice, ...]:
    """Learning rates by the values of at most one option, all with the same most steps."""
    if not options:
        return tuple(Choice(lr, steps, {}) for lr in lrs)
    ((name, values),) = options.items()
    return tuple(Choice(lr, steps, {name: value}) for lr in lrs for value in values)
