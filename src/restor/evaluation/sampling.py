"""Sampling whose random numbers belong to the question: the batch it is asked in changes nothing but rounding."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import final

from restor.types import Query


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
