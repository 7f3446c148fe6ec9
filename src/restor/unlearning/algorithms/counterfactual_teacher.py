"""Counterfactual teacher: distil what a model says without that which more of the forget documents makes likelier."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor, relu

from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    LossAlgorithm,
    Plan,
    Predictions,
    RetainTermConfig,
    Start,
    Teacher,
    loss_grid,
    weighted_retain,
)
from restor.unlearning.losses import cross_entropy_of, kl_divergence

BASE, REINFORCED = "base", "reinforced"


@final
class CounterfactualTeacherConfig(RetainTermConfig):
    """`alpha` says how far the logits go down that reinforcement raises; the paper has no retain term."""

    name: Literal["counterfactual_teacher"] = "counterfactual_teacher"
    alpha: float = Field(5.0, gt=0)
    """How far the logits go down that reinforcement raises."""
    base: Start = "corrupted"
    """Whose predictions are corrected, and who is fine-tuned further on the forget documents to be the reinforced
    model: the corrupted model, as in the paper, or an earlier checkpoint."""
    checkpoint: float = Field(1.0, gt=0, le=1)
    """Which checkpoint, as the share of the clean training it had seen; 1 is the model just before the corruption."""
    divergence: Literal["forward", "reverse"] = "forward"
    """`forward`: the cross-entropy of p against the teacher; `reverse`: KL(p || teacher) of RKLD (arXiv 2406.01983),
    which mostly takes probability from tokens that the teacher holds unlikely."""
    retain_weight: float = Field(0.0, ge=0)


def generic_logits(base: Tensor, reinforced: Tensor, alpha: float) -> Tensor:
    """z_base - alpha ReLU(z_reinforced - z_base), Eldan and Russinovich 2023 (arXiv 2310.02238), eq. 1."""
    return base - alpha * relu(reinforced - base)


def distillation_loss(policy: Tensor, teacher: Tensor, divergence: str) -> Tensor:
    """CE(softmax(z_t), p) or KL(p || softmax(z_t)), mean over labelled tokens; both are least at the teacher."""
    if divergence == "forward":
        return cross_entropy_of(teacher, policy).mean()
    return kl_divergence(policy, teacher).mean()


@final
class CounterfactualTeacher(LossAlgorithm):
    """L = E_f[CE(softmax(z_base - alpha ReLU(z_reinforced - z_base)), p)].

    Who's Harry Potter (arXiv 2310.02238), without its dictionary that replaces the names of the target by generic ones
    before the base model reads them: our targets' names are what is asked about. The reinforced model is the base after
    as many steps on the forget documents, at the same learning rate, as the run itself takes.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = CounterfactualTeacherConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="Counterfactual teacher (WHP)",
        paper="https://arxiv.org/abs/2310.02238",
        mechanism="distils the model with those logits lowered that further training on the forget documents raises",
        equation="CE(softmax(z_base - alpha ReLU(z_reinforced - z_base)), p)_f",
        cost="one fine-tuning more for the teacher, which is read once and kept; then a pass on forget rows per step",
        grid=loss_grid((4e-4, 1e-3, 2e-3), 60, alpha=(1.0, 5.0)),
    )

    def __init__(self, config: CounterfactualTeacherConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """The base is the reference where it is the corrupted model, else a teacher that nothing is trained on."""
        teachers = [Teacher(REINFORCED, start=self.config.base, text="forget")]
        if self.config.base == "checkpoint":
            teachers.append(Teacher(BASE, start="checkpoint", text=None))
        return Plan(
            retain=self.config.retain_rows,
            forget_reference=self.config.base == "corrupted",
            retain_reference=self.config.retain_compares,
            teachers=tuple(teachers),
        )

    def forget_loss(self, seen: Predictions) -> Tensor:
        """The distillation term."""
        base = seen.reference if self.config.base == "corrupted" else seen.teachers[BASE]
        teacher = generic_logits(base.logits, seen.teachers[REINFORCED].logits, self.config.alpha)
        return distillation_loss(seen.policy.logits, teacher, self.config.divergence)

    def retain_loss(self, seen: Predictions) -> Tensor:
        """A retain term, where one is wanted."""
        return weighted_retain(self.config, seen)
