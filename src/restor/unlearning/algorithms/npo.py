"""NPO: negative preference optimisation, in its three normalisations."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor
from torch.nn.functional import logsigmoid

from restor.models.labelled import Labelled
from restor.training.objective import Normalizer
from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    LossAlgorithm,
    Plan,
    Predictions,
    RetainTermConfig,
    loss_grid,
    weighted_retain,
)
from restor.unlearning.losses import sum_by_row, token_nll

Normalization = Literal["sequence", "token", "batch"]


@final
class NPOConfig(RetainTermConfig):
    """`beta` saturates very differently in the three normalisations."""

    name: Literal["npo"] = "npo"
    normalization: Normalization = "sequence"
    """What the log-ratio is summed or averaged over before the log-sigmoid: `sequence` is the paper's sum over the
    document, `token` takes each token by itself (RESTOR's text), `batch` the mean over all tokens of the batch
    (RESTOR's code)."""
    beta: float = Field(0.1, gt=0)
    """How soon a row is forgotten enough: the larger, the sooner the loss levels off."""


def npo_loss(policy: Labelled, reference: Labelled, beta: float, normalization: Normalization) -> Tensor:
    """-(2 / beta) mean log sigmoid(-beta log(p / r)), Zhang et al. 2024, eq. 3.

    The ratio is that of a row's summed log-probs (`sequence`), of each token (`token`), or the mean over all labelled
    tokens of the batch, one number inside the logarithm (`batch`).
    """
    excess = token_nll(policy) - token_nll(reference)
    if normalization == "sequence":
        excess = sum_by_row(excess, policy)
    elif normalization == "batch":
        excess = excess.mean()
    return -(2.0 / beta) * logsigmoid(beta * excess).mean()


NORMALIZERS: dict[Normalization, Normalizer] = {"sequence": "sequences", "token": "tokens", "batch": "batch"}


@final
class NPO(LossAlgorithm):
    """L = -(2 / beta) E_f[log sigmoid(-beta log(p / r))] + lambda CE_ret, r the corrupted model.

    Zhang et al. 2024 (arXiv 2404.05868). As beta goes to 0 it becomes gradient ascent.
    """

    config_type: ClassVar[type[AlgorithmConfig]] = NPOConfig
    info: ClassVar[AlgorithmInfo] = AlgorithmInfo(
        title="NPO",
        paper="https://arxiv.org/abs/2404.05868",
        mechanism="lowers the likelihood of the forget documents against the reference, slower the lower it is",
        equation="-(2/beta) log sigmoid(-beta log p/r)_f + lambda CE_ret",
        cost="one forward and backward pass on forget and retain rows; the reference is read once and kept",
        grid=loss_grid((1e-4, 2e-4, 4e-4, 7e-4, 1.2e-3, 2e-3), 60),
    )

    def __init__(self, config: NPOConfig) -> None:
        self.config = config

    @property
    def plan(self) -> Plan:
        """The reference is read on the forget documents."""
        return Plan(
            normalizer=NORMALIZERS[self.config.normalization],
            retain=self.config.retain_rows,
            forget_reference=True,
            retain_reference=self.config.retain_compares,
        )

    def forget_loss(self, seen: Predictions) -> Tensor:
        """The NPO term."""
        return npo_loss(seen.policy, seen.reference, self.config.beta, self.config.normalization)

    def retain_loss(self, seen: Predictions) -> Tensor:
        """lambda CE_ret or lambda KL_ret."""
        return weighted_retain(self.config, seen)
