"""Task vector: subtract what one more training on the forget documents adds."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field

from restor.models.arithmetic import Weights, plus
from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    Choice,
    Plan,
    Session,
    WeightAlgorithm,
)


@final
class TaskVectorConfig(AlgorithmConfig):
    """`alpha` scales the vector that is subtracted."""

    name: Literal["task_vector"] = "task_vector"
    alpha: float = Field(1.0, gt=0)
    """Factor of the vector that is subtracted."""


@final
class TaskVector(WeightAlgorithm):
    """theta - alpha (theta_f - theta), theta_f being theta fine-tuned on the forget documents.

    Ilharco et al. 2023, "forgetting via negation" (arXiv 2212.04089, section 3).
    """

    config_type: ClassVar[type[AlgorithmConfig]] = TaskVectorConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="Task vector",
        paper="https://arxiv.org/abs/2212.04089",
        mechanism="subtracts what one more training on the forget documents adds to the weights",
        equation="theta - alpha (theta_f - theta)",
        cost="one fine-tuning on the forget documents",
        grid=tuple(Choice(3e-4, 40, {"alpha": alpha}) for alpha in (0.25, 0.5, 1.0, 1.5, 2.0, 4.0)),
    )

    def __init__(self, config: TaskVectorConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """No retain text, no reference."""
        return Plan(retain=None)

    def edit(self, session: Session) -> Weights:
        """Fine-tune on the forget documents and step the other way."""
        return plus(session.corrupted, (-self.config.alpha, session.vector("corrupted", "forget")))
