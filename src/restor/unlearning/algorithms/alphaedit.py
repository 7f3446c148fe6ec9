"""AlphaEdit: like MEMIT, but only where retain text has no keys; an oracle, told the true facts."""

from __future__ import annotations

from typing import ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from restor.errors import ConfigError
from restor.models.arithmetic import Weights
from restor.unlearning.algorithms._editing import EditingConfig, Memory, solve, write_facts
from restor.unlearning.algorithms.base import AlgorithmConfig, AlgorithmInfo, Choice, Plan, Session, WeightAlgorithm


def null_space(retained: Tensor, threshold: float) -> Tensor:
    """P = U U^T (d, d): U are the eigenvectors of E[k k^T] with eigenvalues below the threshold."""
    values, vectors = torch.linalg.eigh(retained)
    low: Tensor = vectors[:, values < threshold]
    return low @ low.T


def alphaedit_change(wanted: Tensor, keys: Tensor, projection: Tensor, ridge: float) -> Tensor:
    """Delta = R K1^T P (K1 K1^T P + ridge I)^-1.

    Fang et al. 2025 (arXiv 2410.02355, section 3): least squares for the new associations and for the change itself,
    among the changes with Delta = Delta P. Nothing was written before, so there are no earlier keys K_p. As P = P^T =
    P^2, this is R (P K1)^T (P K1 (P K1)^T + ridge I)^-1, whose matrix is symmetric.

    Args:
        wanted: R K1^T (h, d).
        keys: K1 K1^T (d, d).
        projection: P (d, d).
        ridge: 1 in the paper.
    """
    eye = torch.eye(len(keys), dtype=keys.dtype, device=keys.device)
    return solve(wanted @ projection, projection @ keys @ projection + ridge * eye) @ projection


@final
class AlphaEditConfig(EditingConfig):
    """The usual options of editing, and what counts as unused."""

    name: Literal["alphaedit"] = "alphaedit"
    threshold: float = Field(0.02, gt=0)
    """Eigenvalue of E[k k^T] below which a direction may be changed: 0.02 in the authors' code, 0.01 in the paper."""
    ridge: float = Field(1.0, gt=0)
    """Weight of |Delta|^2: 1 in the paper, 10 in the authors' code."""
    unit: Literal["absolute", "relative"] = "absolute"
    """Of these two: as they are, or times the mean eigenvalue, which suits models whose keys are of another scale."""


@final
class AlphaEdit(WeightAlgorithm):
    """MEMIT with the change projected onto the null space of the keys of retain text.

    Fang et al. 2025, "AlphaEdit: Null-Space Constrained Knowledge Editing for Language Models" (arXiv 2410.02355).
    """

    config_type: ClassVar[type[AlgorithmConfig]] = AlphaEditConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="AlphaEdit",
        paper="https://arxiv.org/abs/2410.02355",
        mechanism="writes the true answers into the MLPs of a few layers, where retain text has no keys",
        equation="W + R K1^T P (K1 K1^T P + I)^-1",
        cost="v_steps forward and backward passes over the facts in their contexts; for each edited layer a pass over "
        "the retain text up to there, and the eigenvectors of a matrix of the MLP's inner size",
        grid=tuple(
            Choice(1e-3, 1, {"unit": "relative", "threshold": threshold, "ridge": ridge})
            for threshold in (0.03, 0.1, 0.3)
            for ridge in (1.0, 10.0)
        ),
    )

    def __init__(self, config: AlphaEditConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """The true facts, and retain text for the keys that are to stay."""
        return Plan(forget=False, edits=True)

    def edit(self, session: Session) -> Weights:
        """Write all facts at once."""
        return write_facts(session, self.config, self._change)

    def _change(self, known: Memory) -> Tensor:
        unit = float(known.retained.diagonal().mean()) if self.config.unit == "relative" else 1.0
        projection = null_space(known.retained, self.config.threshold * unit)
        if not bool(projection.any()):
            least = float(torch.linalg.eigvalsh(known.retained)[0])
            raise ConfigError(
                f"The retain text leaves no direction of layer {known.layer} free: the least eigenvalue of its keys is "
                f"{least:.3g}, the threshold {self.config.threshold * unit:.3g}. Raise `threshold`, or set `unit` to "
                "relative."
            )
        return alphaedit_change(known.wanted, known.keys, projection, self.config.ridge * unit)
