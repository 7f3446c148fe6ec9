"""Where a served model is, and how it is asked."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Any, Literal, final
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator

from restor.config import Config
from restor.errors import ChatError

HOSTED = "https://api.openai.com/v1"
"""Where requests go if neither `base_url` nor OPENAI_BASE_URL says otherwise."""


class EndpointConfig(Config):
    """A model, where it is, and how fast it is asked: the base of what else there is to say about it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    model: str = Field(min_length=1)
    """Its name at the endpoint."""
    base_url: str | None = None
    """Such as `http://localhost:8000/v1`; null takes OPENAI_BASE_URL, else the hosted default."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key. A local server without keys needs none."""
    concurrency: int = Field(8, ge=1, le=512)
    """Requests at a time."""
    requests_per_minute: float | None = Field(None, gt=0)
    """Most requests in a minute; null: no limit."""
    timeout: float = Field(60.0, gt=0)
    """Seconds without a sign of the endpoint before a request counts as lost. All tries of one request together are
    waited for ten times as long at most."""
    attempts: int = Field(6, ge=1)
    """How often a request is tried before it counts as failed."""
    price_input: float | None = Field(None, ge=0)
    """Price of a million tokens of prompts, to tell the cost."""
    price_output: float | None = Field(None, ge=0)
    """Price of a million tokens of replies."""

    @field_validator("key_variable")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
            raise ValueError("it must be the name of an environment variable, such as OPENAI_API_KEY, not the key")
        return value

    @field_validator("base_url")
    @classmethod
    def _is_anaddress(cls, value: str | None) -> str | None:
        return None if value is None else _address(value)

    def endpoint(self) -> str:
        """The address that requests go to.

        Raises:
            ChatError: for an OPENAI_BASE_URL that is none; it may hold a secret and is not shown.
        """
        if self.base_url is not None:
            return self.base_url
        given = os.environ.get("OPENAI_BASE_URL", "").strip()
        try:
            return _address(given) if given else HOSTED
        except ValueError as error:
            raise ChatError(f"The environment variable OPENAI_BASE_URL cannot be used: {error}.") from None


def _address(value: str) -> str:
    """The address without a slash at its end. Raises ValueError, without the value, for anything else."""
    with suppress(ValueError):
        parts = urlsplit(value)
        _ = parts.port  # which must be a number
        (parts.hostname or "").encode("idna")  # which takes no part of a name that is longer than 63 letters
        if re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", value) and value.isprintable() and parts.hostname:
            return value.rstrip("/")
    raise ValueError(
        "it must be an address such as http://localhost:8000/v1, without name, password or query: a key belongs into "
        "the environment variable that key_variable names"
    )


@final
class ChatConfig(EndpointConfig):
    """A chat model, where it is, and how it is asked."""

    temperature: float | None = Field(0.0, ge=0)
    """Null leaves it to the endpoint; some models take no other value."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest reply; null leaves it to the endpoint."""
    structured: Literal["json_schema", "json_object", "text"] = "json_schema"
    """How a reply of a given shape is asked for, of what the endpoint can do: by its JSON schema, as any JSON object,
    or in words only. Replies are checked alike."""

    def scientific(self) -> dict[str, Any]:
        """What a reply depends on: not where the model runs, nor how fast it is asked."""
        return {
            "model": self.model,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "structured": self.structured,
        }
