"""Compute precision: bfloat16 where the hardware computes it. Weights are float32 always."""

from __future__ import annotations

import contextlib

import torch


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the hardware computes bfloat16 rather than imitating it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[None]:
    """The compute precision of a forward pass."""
    if precision == "float32" or (precision == "auto" and not fast_bfloat16(device)):
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
