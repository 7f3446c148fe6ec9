"""Judges that may ask a model on this machine. They do not load it: who runs them hands them what writes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

from pydantic import Field

from restor.chat import ChatRequest
from restor.config import Config
from restor.evaluation.judges.base import Judge, JudgeConfig
from restor.models.model_ref import ModelRef


@final
class LocalModel(Config):
    """A model on this machine that is asked as a chat model is."""

    model: ModelRef
    """A folder or hub id, with @REVISION and +ADAPTER where wanted."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest reply; null lets it grow with the request."""


class LocalJudgeConfig(JudgeConfig):
    """The base of the configurations of such judges."""

    local: LocalModel | None = None
    """The model on this machine, if it is one that is asked."""


@final
@dataclass(frozen=True, slots=True)
class Written:
    """What the model wrote to one request."""

    text: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    problem: str | None = None
    """Why the text is of no use, such as that it was cut."""


Writer: TypeAlias = Callable[[Sequence[ChatRequest], int], Iterator[Written]]
"""Writes to every request, in their order, at most so many tokens each. Greedy: the same request has the same text."""


class LocalJudge(Judge):
    """A judge that can be given a model on this machine."""

    @abstractmethod
    def use(self, write: Writer, content: Mapping[str, Any]) -> None:
        """Ask this model from now on; `content` identifies its weights."""
