"""Pure tensor functions that several unlearning losses share. Logits are (N, V), targets and rows (N,), in nats."""

from __future__ import annotations

import torch
from torch import Tensor

from restor.models.labelled import Labelled


def token_nll(policy: Labelled) -> Tensor:
    """Negative log-likelihood of each target, (N,)."""
    return -policy.log_probs()


def mean_nll(policy: Labelled) -> Tensor:
    """Cross-entropy, mean over labelled tokens: the usual retain term."""
    return token_nll(policy).mean()


def sequence_nll(policy: Labelled) -> Tensor:
    """Sum of the negative log-likelihood over each row's targets, (B,)."""
    return sum_by_row(token_nll(policy), policy)


def sum_by_row(values: Tensor, policy: Labelled) -> Tensor:
    """Sum of per-token values over each row, (B,)."""
    return values.new_zeros(policy.n_rows).index_add(0, policy.row, values)


def row_lengths(policy: Labelled) -> Tensor:
    """Labelled tokens of each row, (B,), at least 1."""
    return sum_by_row(torch.ones_like(policy.targets, dtype=policy.logits.dtype), policy).clamp(min=1)


def kl_divergence(left: Tensor, right: Tensor) -> Tensor:
    """KL(left || right) of two distributions given as logits, (N,)."""
    log_left, log_right = torch.log_softmax(left, dim=-1), torch.log_softmax(right, dim=-1)
    return (log_left.exp() * (log_left - log_right)).sum(dim=-1)


def cross_entropy_of(left: Tensor, right: Tensor) -> Tensor:
    """Cross-entropy -sum left log right of two distributions given as logits, (N,)."""
    return -(torch.softmax(left, dim=-1) * torch.log_softmax(right, dim=-1)).sum(dim=-1)


def retain_term(kind: str, policy: Labelled, reference: Labelled | None) -> Tensor:
    """The retain loss by name, mean over labelled tokens.

    `nll` is the cross-entropy on the retain text; `kl` is KL(reference || policy), which keeps what the corrupted
    model predicted there.

    Raises:
        ValueError: for an unknown kind, or for `kl` without a reference.
    """
    if kind == "nll":
        return mean_nll(policy)
    if kind == "kl":
        if reference is None:
            raise ValueError("A KL retain term needs the reference model's predictions.")
        return kl_divergence(reference.logits, policy.logits).mean()
    raise ValueError(f"Unknown retain term {kind!r}; known: nll, kl.")
