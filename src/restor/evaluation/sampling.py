"""Sampling whose random numbers belong to the question: the batch it is asked in changes nothing but rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import final

import torch
from torch import Tensor

from restor.types import Query

FEW, ROWS = 512, 64
"""The probable tokens are looked for among this many first, and this many rows are worked on at a time."""


@final
@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn: `runs` of them for each question, by the seed."""

    temperature: float
    """Above 0; logits are divided by it."""
    top_p: float
    """In (0, 1]: drawn from the fewest most probable tokens that hold this much probability (arXiv 1904.09751)."""
    seed: int
    runs: int = 1

    def __post_init__(self) -> None:
        assert self.temperature > 0 and 0 < self.top_p <= 1 and self.runs > 0, self  # noqa: PT018

    def stream(self, query: Query, run: int) -> Random:
        """The random numbers of one answer, a token each: the same for every model, so that models are comparable."""
        return Random(f"sampling/{self.seed}/{run}/{query.fact.key}/{query.prefix}{query.question}")

    def draw(self, logits: Tensor, streams: Sequence[Random]) -> list[int]:
        """One token a row of logits (B, V), by the next number of each stream."""
        tokens: list[int] = []
        for start in range(0, len(streams), ROWS):
            probs = torch.softmax(logits[start : start + ROWS].cpu().double() / self.temperature, dim=-1)
            uniform = [stream.random() for stream in streams[start : start + ROWS]]
            tokens += [self._pick(row, number) for row, number in zip(probs, uniform, strict=True)]
        return tokens

    def _pick(self, probs: Tensor, number: float) -> int:
        """The token at which the cumulated probability of the kept ones passes `number`."""
        if self.top_p == 1:
            return _passed(probs.cumsum(0), number)
        values, ids = probs.topk(min(FEW, len(probs)))
        if float(values.sum()) < self.top_p:
            values, ids = probs.sort(descending=True, stable=True)
        before = values.cumsum(0) - values
        kept = values[before < self.top_p]
        return int(ids[_passed(kept.cumsum(0), number)])


def _passed(cumulated: Tensor, number: float) -> int:
    place = int(torch.searchsorted(cumulated, number * float(cumulated[-1]), right=True))
    return min(place, len(cumulated) - 1)
