"""Compute precision of training. Weights are float32 always."""

from __future__ import annotations

import contextlib

import torch

from restor.models.precision import Precision


def autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[None]:
    """The compute precision of a forward pass."""
    return contextlib.nullcontext() if precision == "float32" else torch.autocast(device.type, torch.bfloat16)
