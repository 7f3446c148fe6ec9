"""How models are asked and their answers judged, torch-free."""

from __future__ import annotations

from typing import Annotated, final

from pydantic import BeforeValidator, Field, SerializeAsAny

from restor.config import Config
from restor.evaluation.judges.alias import AliasConfig
from restor.evaluation.judges.base import JUDGES, JudgeConfig

JudgeChoice = Annotated[SerializeAsAny[JudgeConfig], BeforeValidator(JUDGES.parse)]


@final
class EvaluationConfig(Config):
    """Few-shot questions, options and the judge."""

    shots: int = Field(5, ge=0)
    """Demonstrations before each question, about untouched entities other than the asked one."""
    max_new_tokens: int = Field(12, ge=1)
    """Longest answer; generation stops at the newline before that."""
    random_options: int = Field(4, ge=1)
    """Random same-relation answers whose log-probs are averaged as the baseline."""
    candidates: int = Field(64, ge=2)
    """Most values of a relation among which the true answer is ranked."""
    untouched_facts: int | None = Field(None, ge=1)
    """How many facts about untouched entities are asked, a seeded sample; None asks all."""
    judge: JudgeChoice = AliasConfig()
    """Who decides what an answer is."""
    batch: int = Field(256, ge=1)
    """Most questions in one forward."""
