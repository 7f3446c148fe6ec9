"""MEMIT: writes the true facts into the MLPs of a few layers in closed form; an oracle, told the true facts."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor

from restor.models.arithmetic import Weights
from restor.unlearning.algorithms._editing import EditingConfig, Memory, solve, write_facts
from restor.unlearning.algorithms.base import AlgorithmConfig, AlgorithmInfo, Choice, Plan, Session, WeightAlgorithm


def memit_change(wanted: Tensor, keys: Tensor, retained: Tensor, covariance_weight: float) -> Tensor:
    """Delta = R K1^T (C0 + K1 K1^T)^-1 with C0 = lambda E[k k^T].

    Meng et al. 2023 (arXiv 2210.07229, section 4.2): least squares for the new associations, K1 to W K1 + R, and for
    the old ones, which are known by the second moment of their keys alone and are to stay.

    Args:
        wanted: R K1^T (h, d).
        keys: K1 K1^T (d, d).
        retained: E[k k^T] (d, d).
        covariance_weight: lambda.
    """
    return solve(wanted, covariance_weight * retained + keys)


@final
class MEMITConfig(EditingConfig):
    """The usual options of editing, and lambda."""

    name: Literal["memit"] = "memit"
    covariance_weight: float = Field(15000.0, gt=0)
    """lambda: how many facts' keys the retain text weighs as much as; the paper's is for thousands of facts."""


@final
class MEMIT(WeightAlgorithm):
    """The model whose MLPs give the true answers to the facts' keys, and to those of retain text what they gave.

    Meng et al. 2023, "Mass-Editing Memory in a Transformer" (arXiv 2210.07229). The second moment is that of the retain
    text, where the paper takes Wikipedia, and so are the contexts, which the paper has the model write.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = MEMITConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="MEMIT",
        paper="https://arxiv.org/abs/2210.07229",
        mechanism="writes the true answers into the MLPs of a few layers, in closed form",
        equation="W + R K1^T (lambda E[k k^T] + K1 K1^T)^-1",
        cost="v_steps forward and backward passes over the facts in their contexts; for each edited layer a pass over "
        "the retain text up to there, and a solve of the MLP's inner size",
        grid=tuple(Choice(1e-3, 1, {"covariance_weight": it}) for it in (30.0, 100.0, 300.0, 1000.0, 3000.0, 15000.0)),
    )

    def __init__(self, config: MEMITConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """The true facts, and retain text for the keys that are to stay."""
        return Plan(forget=False, edits=True)

    def edit(self, session: Session) -> Weights:
        """Write all facts at once."""
        return write_facts(session, self.config, self._change)

    def _change(self, known: Memory) -> Tensor:
        return memit_change(known.wanted, known.keys, known.retained, self.config.covariance_weight)
