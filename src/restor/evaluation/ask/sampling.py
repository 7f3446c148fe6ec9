"""Sampling whose random numbers belong to the question: the batch it is asked in changes nothing but rounding.

Torch-free.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from random import Random
from typing import Self, final

from restor.evaluation.ask.protocol import AskingConfig
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

    @classmethod
    def of(cls, config: AskingConfig, seed: int) -> Self | None:
        """What a configuration asks for; None where answers are greedy."""
        if config.protocol != "published":
            return None
        return cls(temperature=config.temperature, top_p=config.top_p, seed=seed, runs=config.answers)

    def stream(self, query: Query, run: int) -> Random:
        """The random numbers of one answer, a token each: the same for every model, so that models are comparable."""
        return Random(self._name(query, run))

    def seed_of(self, query: Query, run: int) -> int:
        """The seed of one answer, 31 bits, for whoever draws with random numbers of its own."""
        digest = hashlib.sha256(self._name(query, run).encode("utf-8", "replace")).digest()
        return int.from_bytes(digest[:4], "big") >> 1

    def _name(self, query: Query, run: int) -> str:
        return f"sampling/{self.seed}/{run}/{query.fact.key}/{query.prefix}{query.question}"
