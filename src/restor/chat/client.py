"""One endpoint: the client that talks to it, and what its errors mean, in words without the key."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from typing import Any, final

from restor.chat.configs import HOSTED, EndpointConfig
from restor.chat.transport import Connection, Elsewhere, Network, Unacceptable
from restor.errors import ChatError, to_install
from restor.text import escaped
from restor.web import retry_after

CHECK = "Check that it runs and that base_url is right."
AGAIN = "What was answered is kept: the same command asks only for the rest."

_PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 that another try can change."""


@final
class Passing(Exception):
    """Something that another try may change."""

    def __init__(self, reason: str, *, wait: float | None = None, nobody: bool = False, too_late: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        """How long the endpoint wants to be left alone, seconds."""
        self.nobody = nobody
        """Whether nothing at all answered."""
        self.too_late = too_late
        """Whether there was no reply in time."""


@final
class RequestRefused(Exception):
    """A request that the endpoint will never take."""


@final
class Client:
    """The client of the package openai, with limits. Retries and their pace are up to the caller."""

    def __init__(self, config: EndpointConfig) -> None:
        """Make one.

        Raises:
            ChatError: if the package is missing, or for a key, an address or a proxy that cannot be used.
        """
        self.config = config
        self._secret = _secret(config)
        try:
            import openai
        except ImportError:
            raise ChatError(
                f"Asking an endpoint needs the package openai, which is not installed: {to_install('judge')}."
            ) from None
        if self._secret is None and config.endpoint() == HOSTED:
            raise ChatError(
                f"There is no key for {HOSTED}: set the environment variable {config.key_variable}. Or name another "
                "endpoint as base_url, such as http://localhost:8000/v1."
            )
        self._openai = openai
        self._network = Network(config.endpoint())
        self._local = threading.local()
        self._connections: list[Connection] = []

    def text(self, send: Callable[[Any], Any], seconds: float) -> str:
        """The body of a reply that is whole within so many seconds. `send` gets the client of openai.

        Raises:
            Passing, ChatError: if there is none.
            openai.APIStatusError: for a status that is an error, see `explain`.
        """
        openai = self._openai
        api, connection = self._connection()
        try:
            with connection.within(seconds):
                body: str = send(api).text
        except openai.APIStatusError:
            raise
        except (openai.OpenAIError, Unacceptable) as error:
            raise self._without_reply(error, late=connection.late) from None
        return body

    def close(self) -> None:
        """No more requests."""
        for connection in self._connections:
            connection.close()

    def _connection(self) -> tuple[Any, Connection]:
        """Those of this thread: only a connection that one thread uses can be cut for its request alone."""
        local = self._local
        if not hasattr(local, "connection"):
            local.connection = Connection(self._network)
            self._connections.append(local.connection)
            local.api = self._openai.OpenAI(
                api_key=self._secret or "none",  # the client wants some
                base_url=self.config.endpoint(),
                timeout=self.config.timeout,
                # Its own retries would keep no pace between threads, are not counted, and know no unusable reply.
                max_retries=0,
                http_client=local.connection.client,
            )
        return local.api, local.connection

    def explain(self, error: Any) -> ChatError | Passing | RequestRefused:
        """What a status that is an error means."""
        status, message = error.status_code, self._message(error)
        endpoint, model, variable = self.config.endpoint(), self.config.model, self.config.key_variable
        said = f"HTTP {status}{f': {message}' if message else ''}"
        if status == 401:
            given = f"the key in {variable}" if self._secret else f"requests without a key ({variable} is not set)"
            return ChatError(
                f"The endpoint {endpoint} refuses {given}: HTTP 401. Set {variable} to a valid key. {AGAIN}"
            )
        if status == 403:
            return ChatError(
                f"The endpoint {endpoint} does not allow this key to use {model!r}: {said}. Use another model, or a "
                f"key in {variable} that has the right. {AGAIN}"
            )
        if status == 404:
            return ChatError(
                f"The endpoint {endpoint} does not know the model {model!r}, or is not the address of an "
                f"OpenAI-compatible server (it usually ends with /v1): {said}. {AGAIN}"
            )
        if status == 429 and "insufficient_quota" in message:
            return ChatError(f"The account at {endpoint} has no credit left: {said}. {AGAIN}")
        if status in _PASSING or status >= 500:
            return Passing(said, wait=retry_after(error.response.headers.get("retry-after")))
        return RequestRefused(f"the endpoint refuses it: {said}")

    def _without_reply(self, error: Exception, *, late: bool) -> ChatError | Passing:
        """Nobody was there, or somebody who replies what is not read."""
        # Some versions of the client pass on what is raised below it, others make it the cause of their own.
        cause = error if isinstance(error, Unacceptable) else error.__cause__
        if isinstance(cause, Elsewhere):
            return ChatError(
                f"The endpoint {self.config.endpoint()} redirects to {cause}, to which nothing was sent. If that is "
                f"the address that you mean, name it as base_url. {AGAIN}"
            )
        if isinstance(cause, Unacceptable):
            return Passing(str(cause))
        what = "the time is up" if late else cause or error
        too_late = late or isinstance(error, self._openai.APITimeoutError)
        return Passing(self._scrubbed(f"no connection ({what})"), nobody=True, too_late=too_late)

    def _message(self, error: Any) -> str:
        """The endpoint's own words, short."""
        body = error.body if isinstance(error.body, dict) else {}
        words = (body.get("code"), body.get("message"))
        return self._scrubbed(" ".join(item for item in words if isinstance(item, str) and item))

    def _scrubbed(self, text: str) -> str:
        """Without the key, should anything repeat it."""
        if self._secret:
            text = text.replace(self._secret, "***")
        return clip(escaped(re.sub(r"\b(sk-|Bearer\s+)\S+", "***", text)))


def _secret(config: EndpointConfig) -> str | None:
    secret = os.environ.get(config.key_variable, "").strip()
    if not (secret.isascii() and secret.isprintable()):
        at = next(number for number, sign in enumerate(secret, 1) if not (sign.isascii() and sign.isprintable()))
        raise ChatError(
            f"The key in {config.key_variable} cannot be one: character {at} of {len(secret)} is not a printable ASCII "
            "character. Set it again, without quotes, blanks or line breaks of a text that it was copied from."
        )
    return secret or None


def clip(text: str, limit: int = 300) -> str:
    """The text in one line, with its end cut off where it is too long to be shown."""
    joined = " ".join(text.split())
    return joined if len(joined) <= limit else f"{joined[: limit - 1]}…"
