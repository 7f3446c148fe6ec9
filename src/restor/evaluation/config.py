"""How models are asked and their answers judged, torch-free."""

from __future__ import annotations

from typing import final

from restor.evaluation.ask.protocol import AskingConfig
from restor.evaluation.judges.alias import AliasConfig
from restor.evaluation.judges.base import JudgeChoice


@final
class EvaluationConfig(AskingConfig):
    """Few-shot questions, options and the judge."""

    judge: JudgeChoice = AliasConfig()
    """Who decides what an answer is."""
