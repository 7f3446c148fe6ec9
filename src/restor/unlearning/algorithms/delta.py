"""Delta: distil the corrupted model less what the forget documents add to an earlier checkpoint's logits."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor

from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    LossAlgorithm,
    Plan,
    Predictions,
    RetainTermConfig,
    Teacher,
    loss_grid,
    weighted_retain,
)
from restor.unlearning.losses import cross_entropy_of

WITH, WITHOUT = "with", "without"


@final
class DeltaConfig(RetainTermConfig):
    """`alpha` scales the offset; the paper's is 1."""

    name: Literal["delta"] = "delta"
    alpha: float = Field(1.0, gt=0)
    """Factor of the difference of logits that is subtracted."""
    checkpoint: float = Field(1.0, gt=0, le=1)
    """Which checkpoint, as the share of the clean training it had seen; 1 is the model just before the corruption."""
    retain_weight: float = Field(0.0, ge=0)


def offset_logits(corrupted: Tensor, before: Tensor, after: Tensor, alpha: float) -> Tensor:
    """z_r - alpha (z_C^f - z_C); Huang et al. 2024 (arXiv 2404.11045) add alpha (z_o' - z_o) to z_r."""
    return corrupted - alpha * (after - before)


@final
class Delta(LossAlgorithm):
    """L = E_f[CE(softmax(z_r - alpha (z_C^f - z_C)), p)], r the corrupted model, C an earlier checkpoint.

    From offset unlearning (delta-unlearning, arXiv 2404.11045): a large model's logits are corrected by the difference
    of two small ones, of which one is trained so that the corrected model unlearns, and all three answer together.

    Three things are ours. The pair is an earlier checkpoint with and without the forget documents, so that its
    difference is what reading them adds, and it is subtracted; no unlearning loss trains it. It has the size of the
    model. And what the three say together on the forget documents is distilled into one set of weights.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = DeltaConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="Delta (offset of logits)",
        paper="https://arxiv.org/abs/2404.11045",
        mechanism="distils the model less the logits that the forget documents add to an earlier checkpoint",
        equation="CE(softmax(z_r - alpha (z_C^f - z_C)), p)_f",
        cost="one fine-tuning of the checkpoint; both teachers are read once and kept; then a pass on forget rows",
        grid=loss_grid((4e-4, 1e-3, 2e-3), 60, alpha=(0.5, 1.0)),
    )

    def __init__(self, config: DeltaConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """The reference, and the checkpoint twice."""
        return Plan(
            retain=self.config.retain_rows,
            forget_reference=True,
            retain_reference=self.config.retain_compares,
            teachers=(
                Teacher(WITH, start="checkpoint", text="forget"),
                Teacher(WITHOUT, start="checkpoint", text=None),
            ),
        )

    def forget_loss(self, seen: Predictions) -> Tensor:
        """The distillation term."""
        teacher = offset_logits(
            seen.reference.logits, seen.teachers[WITHOUT].logits, seen.teachers[WITH].logits, self.config.alpha
        )
        return cross_entropy_of(teacher, seen.policy.logits).mean()

    def retain_loss(self, seen: Predictions) -> Tensor:
        """A retain term, where one is wanted."""
        return weighted_retain(self.config, seen)
