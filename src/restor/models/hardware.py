"""What the processor is good at: bfloat16, and how many threads help at the moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TRIAL = 4e9
"""Floating-point operations of a trial of threads, about: a twentieth of a second on one core."""

BUSY, HOPELESS, TRIES = 1.5, 6.0, 3
"""One thread that is so many times as fast as several means that the cores are taken. Each is tried so often, but not
again where there is no hope."""


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device has an instruction for products of bfloat16: newer GPUs do, CPUs with AVX512-BF16 or AMX too.

    On a GPU it is then faster than float32. On a CPU it may be slower, see `restor.models.precision`.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    ask_torch = getattr(torch.cpu, "get_capabilities", None) if device.type == "cpu" else None
    capabilities = {} if ask_torch is None else ask_torch()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


def helpful_threads(model: PreTrainedModel) -> int:
    """The number of threads set for PyTorch, or 1 while other work on this machine makes several slower.

    Threads wait for each other at every layer, so one whose core is taken holds up all of them. Whether that is so is
    measured with a few tokens of the model itself.
    """
    threads = torch.get_num_threads()
    if model.device.type != "cpu" or threads == 1:
        return threads
    parameters = sum(parameter.numel() for parameter in model.parameters())
    tokens = torch.zeros((1, max(2, min(128, int(TRIAL / (2 * parameters))))), dtype=torch.long)
    alone = min(_seconds(model, tokens, 1) for _ in range(TRIES))
    for _ in range(TRIES):
        together = _seconds(model, tokens, threads)
        if together <= BUSY * alone:
            return threads
        if together > HOPELESS * alone:
            break
    return 1


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """PyTorch computes with so many threads."""
    before = torch.get_num_threads()
    if before == threads:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.inference_mode()
def _seconds(model: PreTrainedModel, tokens: torch.Tensor, threads: int) -> float:
    """Of one forward."""
    from restor.models.families import decoder  # brings transformers

    with computing_with(threads):
        began = time.perf_counter()
        decoder(model)(input_ids=tokens, use_cache=False)
        return time.perf_counter() - began
