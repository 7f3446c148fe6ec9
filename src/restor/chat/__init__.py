"""Models behind any OpenAI-compatible endpoint: hosted ones, vLLM, Ollama. Torch-free.

`ask_all` puts many requests to one model. What is sent, and what of a response is the reply, is a `Route`; what a reply
means is the caller's `check`, for what a model replies is data.
"""

from __future__ import annotations

from restor.chat.batch import CACHE_FILE, ask_all, served_models
from restor.chat.configs import ChatConfig, EndpointConfig
from restor.chat.kept import KeptReplies
from restor.chat.routes import ChatFailure, ChatOutcome, ChatRequest, ChatRoute, ChatUsage, Route, sendable

__all__ = [
    "CACHE_FILE",
    "ChatConfig",
    "ChatFailure",
    "ChatOutcome",
    "ChatRequest",
    "ChatRoute",
    "ChatUsage",
    "EndpointConfig",
    "KeptReplies",
    "Route",
    "ask_all",
    "sendable",
    "served_models",
]
