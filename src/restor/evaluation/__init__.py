"""Asks models and measures what they answer.

`score`, `generate` and `matches` ask any causal language model anything; see docs/evaluation-engine.md. Nothing heavy
is imported before one of them is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restor.evaluation.api import EngineSettings as EngineSettings
    from restor.evaluation.api import Generated as Generated
    from restor.evaluation.api import Request as Request
    from restor.evaluation.api import Scored as Scored
    from restor.evaluation.api import generate as generate
    from restor.evaluation.api import matches as matches
    from restor.evaluation.api import score as score
    from restor.evaluation.engine.items import OptionScore as OptionScore

__all__ = ["EngineSettings", "Generated", "OptionScore", "Request", "Scored", "generate", "matches", "score"]


def __getattr__(name: str) -> Any:
    # Lazy, so that what needs one module of the package does not depend on the engine, nor does its key.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from restor.evaluation import api
    from restor.evaluation.engine.items import OptionScore

    return OptionScore if name == "OptionScore" else getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
