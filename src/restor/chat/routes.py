"""Requests to a served model and what becomes of them; the ways to put them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, final

from restor.chat.configs import ChatConfig, EndpointConfig

T = TypeVar("T")
Q = TypeVar("Q")


def sendable(text: str) -> str:
    """Half characters, which no request can hold, become the replacement sign."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text


@final
@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question to a chat model. Two requests of the same content are one, and are asked once."""

    system: str
    """What the model is told to do."""
    user: str
    """What it is to do it with."""
    schema: Mapping[str, Any] | None = None
    """JSON schema of the reply, where it has a shape."""


@final
@dataclass(frozen=True, slots=True)
class ChatFailure:
    """A request without a reply that can be used."""

    reason: str


@final
@dataclass(frozen=True, slots=True)
class ChatUsage:
    """What replies took. Those from the cache took nothing."""

    requests: int = 0
    """Sent, the repeated ones too."""
    retries: int = 0
    """Of them repeated."""
    cached: int = 0
    """Answered without being sent."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    """In the currency of the prices; None without prices."""

    def __add__(self, other: ChatUsage) -> ChatUsage:
        costs = [item.cost for item in (self, other) if item.cost is not None]
        return ChatUsage(
            requests=self.requests + other.requests,
            retries=self.retries + other.retries,
            cached=self.cached + other.cached,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cost=sum(costs) if costs else None,
        )


@final
@dataclass(frozen=True, slots=True)
class ChatOutcome(Generic[T]):
    """What became of the requests, in their order."""

    results: tuple[T | ChatFailure, ...]
    usage: ChatUsage


class Route(ABC, Generic[Q]):
    """One of the ways to ask an endpoint: what is sent for a request, and what of a response is the reply."""

    response: ClassVar[str]
    """What comes back, in words."""

    def __init__(self, config: EndpointConfig) -> None:
        self.config = config

    @property
    @abstractmethod
    def advice(self) -> str:
        """What may help if the endpoint refuses every request; empty if nothing is known."""

    @abstractmethod
    def identity(self, request: Q) -> Mapping[str, Any]:
        """All that a reply depends on, JSON values: it is kept under them."""

    @abstractmethod
    def send(self, client: Any, request: Q) -> Any:
        """Send a request; returns the client's raw response."""

    @abstractmethod
    def read(self, choice: Any) -> str:
        """The reply within the first choice of a response.

        Raises:
            ValueError: with the reason, if the reply is not complete.
            LookupError, TypeError: for something of another shape.
        """


@final
class ChatRoute(Route[ChatRequest]):
    """`POST /chat/completions`."""

    def __init__(self, config: ChatConfig) -> None:
        super().__init__(config)
        self._chat = config

    response = "chat completion"

    @property
    def advice(self) -> str:
        """Another way to ask for a reply of a given shape."""
        structured = self._chat.structured
        if structured == "text":
            return ""
        less = "json_object" if structured == "json_schema" else "text"
        return f"It may not know structured={structured}: try structured={less}."

    def identity(self, request: ChatRequest) -> Mapping[str, Any]:
        """Not where the model runs: the same reply would come from there."""
        messages = [sendable(request.system), sendable(request.user)]
        return {"chat": 1, **self._chat.scientific(), "messages": messages, "schema": request.schema}

    def send(self, client: Any, request: ChatRequest) -> Any:
        """Ask for a chat completion."""
        config = self._chat
        body: dict[str, Any] = {
            "model": config.model,
            "messages": [
                {"role": "system", "content": sendable(request.system)},
                {"role": "user", "content": sendable(request.user)},
            ],
        }
        if config.temperature is not None:
            body["temperature"] = config.temperature
        if config.max_tokens is not None:
            body["max_tokens"] = config.max_tokens
        if request.schema is not None and config.structured == "json_schema":
            shape = {"name": "reply", "strict": True, "schema": request.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": shape}
        elif request.schema is not None and config.structured == "json_object":
            body["response_format"] = {"type": "json_object"}
        return client.chat.completions.with_raw_response.create(**body)

    def read(self, choice: Any) -> str:
        """The message, which must not be cut."""
        content, finish = choice["message"]["content"], choice.get("finish_reason")
        if finish == "length":
            raise ValueError("its reply was cut at the longest length; raise max_tokens")
        if not isinstance(content, str) or not content.strip() or finish == "content_filter":
            raise ValueError("its reply was empty or withheld")
        return content
