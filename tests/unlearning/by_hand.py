"""Numbers of losses, compared with what was computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from restor.models.labelled import Labelled


def labelled(probabilities, targets, rows, n_rows, dtype=torch.float64):
    """Predictions with these probabilities; adding a constant to the logits, as models do, must change nothing."""
    logits = torch.tensor(probabilities, dtype=dtype).log() + 3.0
    return Labelled(logits.requires_grad_(), torch.tensor(targets), torch.tensor(rows), n_rows)


def gradient(loss, policy):
    return torch.autograd.grad(loss, policy.logits)[0]


def number(scalar):
    return float(scalar.detach())


def close(expected):
    return pytest.approx(expected, rel=1e-12, abs=1e-12)


def log_sigmoid(value):
    return -math.log(1 + math.exp(-value))
