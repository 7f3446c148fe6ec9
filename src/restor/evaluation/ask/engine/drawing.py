"""Tokens drawn by numbers that belong to the row: the batch in which it is drawn changes nothing but rounding."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor

FEW, ROWS = 512, 64
"""The probable tokens are looked for among this many first, and this many rows are worked on at a time."""


def draw(logits: Tensor, streams: Sequence[Random], *, temperature: float, top_p: float = 1.0) -> list[int]:
    """One token a row of logits (B, V), by the next number of each row's stream.

    Logits are divided by the temperature; below 1 of `top_p`, tokens come from the fewest most probable ones that hold
    this much probability (arXiv 1904.09751).
    """
    tokens: list[int] = []
    for start in range(0, len(streams), ROWS):
        probs = torch.softmax(logits[start : start + ROWS].cpu().double() / temperature, dim=-1)
        uniform = [stream.random() for stream in streams[start : start + ROWS]]
        tokens += [_pick(row, number, top_p) for row, number in zip(probs, uniform, strict=True)]
    return tokens


def _pick(probs: Tensor, number: float, top_p: float) -> int:
    """The token at which the cumulated probability of the kept ones passes `number`."""
    if top_p == 1:
        return _passed(probs.cumsum(0), number)
    values, ids = probs.topk(min(FEW, len(probs)))
    if float(values.sum()) < top_p:
        values, ids = probs.sort(descending=True, stable=True)
    before = values.cumsum(0) - values
    kept = values[before < top_p]
    return int(ids[_passed(kept.cumsum(0), number)])


def _passed(cumulated: Tensor, number: float) -> int:
    place = int(torch.searchsorted(cumulated, number * float(cumulated[-1]), right=True))
    return min(place, len(cumulated) - 1)
