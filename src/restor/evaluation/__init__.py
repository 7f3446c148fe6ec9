"""Asks models and measures what they answer.

`score`, `generate` and `matches` ask any causal language model anything; see docs/evaluation-engine.md. Nothing heavy
is imported before one of them is called.
"""

from restor.evaluation.api import EngineSettings, Generated, Request, Scored, generate, matches, score
from restor.evaluation.engine.items import OptionScore

__all__ = ["EngineSettings", "Generated", "OptionScore", "Request", "Scored", "generate", "matches", "score"]
