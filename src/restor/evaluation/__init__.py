"""Asks models and measures what they answer.

`score`, `generate` and `matches` ask any causal language model anything; see docs/evaluation-engine.md. Nothing heavy
is imported before one of them is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restor.evaluation.ask.engine.items import OptionScore as OptionScore
    from restor.evaluation.ask.requests import EngineSettings as EngineSettings
    from restor.evaluation.ask.requests import Generated as Generated
    from restor.evaluation.ask.requests import Request as Request
    from restor.evaluation.ask.requests import Scored as Scored
    from restor.evaluation.ask.requests import generate as generate
    from restor.evaluation.ask.requests import matches as matches
    from restor.evaluation.ask.requests import score as score

__all__ = ["EngineSettings", "Generated", "OptionScore", "Request", "Scored", "generate", "matches", "score"]


def __getattr__(name: str) -> Any:
    # Lazy, so that what needs one module of the package does not depend on the engine, nor does its key.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from restor.evaluation.ask import requests
    from restor.evaluation.ask.engine.items import OptionScore

    return OptionScore if name == "OptionScore" else getattr(requests, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
