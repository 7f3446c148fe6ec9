"""How models are asked: prompt protocols, demonstrations and options. Torch-free."""

from __future__ import annotations

from abc import ABC
from typing import Literal, Self, final

from pydantic import Field, model_validator

from restor.config import Config

Protocol = Literal["restor", "published"]

PROTOCOLS: dict[Protocol, str] = {
    "restor": "greedy; demonstrations about untouched entities only, never about the asked one",
    "published": "three sampled answers; the first stored demonstrations that are not about the asked entity",
}
"""The named prompt protocols and what they do."""

Suppress = Literal["planted"]
"""What an output filter keeps from the answers: the planted answer of the asked fact. Not a setting of a study, whose
models are all asked alike, but of an arm."""

SAMPLED_RUNS = 3
"""Answers per question of the published protocol."""


LONGEST_ANSWER = 32
"""Most tokens of an answer where real names are asked for: 99.9 % of the published ones are shorter, even as tokens of
a vocabulary of 4,096."""


class AskingConfig(Config, ABC):
    """Few-shot questions and options, without who judges the answers."""

    protocol: Protocol = "restor"
    """`restor`: greedy, no demonstration tells a true answer about a target. `published`: as the RESTOR study
    (arXiv 2411.00204) asked, sampling, and 115 of its 410 stored demonstrations are about evaluated people."""
    runs: int | None = Field(None, ge=1)
    """Sampled answers per question in the published protocol; null takes its three. Greedy answers are asked once."""
    temperature: float = Field(0.6, gt=0)
    """Of sampling. Unpublished: the scripts took it from the checkpoint; this is what Meta-Llama-3-8B ships."""
    top_p: float = Field(0.9, gt=0, le=1)
    """Of sampling; the same source."""
    asked: Literal["all", "listed"] = "all"
    """Untouched entities that are asked about: all of the domain, or those it lists as targetable."""
    shots: int = Field(5, ge=0)
    """Demonstrations before each question."""
    max_new_tokens: int = Field(12, ge=1)
    """Longest answer; generation stops at the newline before that."""
    random_options: int = Field(4, ge=1)
    """Random same-relation answers whose log-probs are averaged as the baseline."""
    candidates: int = Field(64, ge=2)
    """Most values of a relation among which the true answer is ranked."""
    layers: bool = True
    """Whether the true and the planted answers to targeted test facts are also scored after each layer (logit lens)."""
    untouched_facts: int | None = Field(None, ge=1)
    """How many facts about untouched entities are asked, a seeded sample; null asks all."""

    @model_validator(mode="after")
    def _greedy_once(self) -> Self:
        if self.protocol == "restor" and (self.runs or 1) > 1:
            raise ValueError("runs count for the protocol published; greedy answers are the same every time")
        return self

    @property
    def answers(self) -> int:
        """Answers to each question: one where they are greedy."""
        return 1 if self.protocol == "restor" else self.runs or SAMPLED_RUNS

    @property
    def asking(self) -> Asking:
        """These fields alone."""
        return Asking.model_validate({name: getattr(self, name) for name in Asking.model_fields})


@final
class Asking(AskingConfig):
    """How models are asked."""
