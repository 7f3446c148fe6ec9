"""Models behind any OpenAI-compatible endpoint: hosted ones, vLLM, Ollama. Torch-free.

`ask_route` puts many requests to one model: several at a time, not faster than allowed, again after what passes by
itself, and never twice for what a cache has. What a model replies is data: only `check`, which the caller gives,
decides whether it can be used. A `Route` says what is sent; `ask_all` is the one of chat models.
"""

from __future__ import annotations

import email.utils
import json
import math
import os
import queue
import re
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Generic, Literal, TypeVar, final
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator

from restor.chat_http import TIMES, Elsewhere, Unacceptable, http_client
from restor.config import Config, stable_hash
from restor.errors import ChatError, StoreError, to_install
from restor.words import escaped

T = TypeVar("T")
Q = TypeVar("Q")

HOSTED = "https://api.openai.com/v1"
"""Where requests go if neither `base_url` nor OPENAI_BASE_URL says otherwise."""

CACHE_FILE = "replies.sqlite"

LONGEST_WAIT = 600.0
"""Seconds; an endpoint that asks for more patience ends the work, and the next call goes on with it."""

_LONGEST_REST = 60.0
_ROW = 3
"""So many requests in a row that fail however often they are tried, and the endpoint counts as down."""
_CHECK = "Check that it runs and that base_url is right."
_AGAIN = "What was answered is kept: the same command asks only for the rest."


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
    """Seconds without a sign of the endpoint before a request counts as lost."""
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
    def _is_an_address(cls, value: str | None) -> str | None:
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

    def __init__(self, config: EndpointConfig) -> None:
        self.config = config

    @property
    @abstractmethod
    def response(self) -> str:
        """What comes back, in words: `chat completion`."""

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


def ask_all(
    config: ChatConfig,
    requests: Sequence[ChatRequest],
    check: Callable[[ChatRequest, str], T],
    *,
    cache: Path | None,
    advance: Callable[[int], None] = lambda done: None,
    accepted: Callable[[ChatRequest, T], None] = lambda request, value: None,
    answered: bool = False,
    sleep: Callable[[float], None] | None = None,
    now: Callable[[], float] = time.monotonic,
) -> ChatOutcome[T]:
    """Ask a chat model everything: see `ask_route`."""
    return ask_route(
        _Chat(config),
        requests,
        check,
        cache=cache,
        advance=advance,
        accepted=accepted,
        answered=answered,
        sleep=sleep,
        now=now,
    )


def ask_route(
    route: Route[Q],
    requests: Sequence[Q],
    check: Callable[[Q, str], T],
    *,
    cache: Path | None,
    advance: Callable[[int], None] = lambda done: None,
    accepted: Callable[[Q, T], None] = lambda request, value: None,
    answered: bool = False,
    sleep: Callable[[float], None] | None = None,
    now: Callable[[], float] = time.monotonic,
) -> ChatOutcome[T]:
    """Ask everything and return what `check` made of the replies.

    A request is tried again, after a rest that doubles each time, when the endpoint is busy (429, for as long as it
    says), fails (5xx), does not answer in time or at all, or replies what `check` refuses. One that fails
    `attempts` times, or that the endpoint refuses as such, has a `ChatFailure` with the last reason.

    Args:
        route: the model and how to ask it.
        requests: what to ask; equal ones are asked once.
        check: what a reply means; raises ValueError, with the reason, if it cannot be used. Runs in other threads.
        cache: folder whose replies are used again and that keeps the new ones as they come; None keeps nothing.
        advance: hears how many requests are done.
        accepted: hears of each request that now has a usable reply, in this thread, before `advance`.
        answered: whether the endpoint has proved itself, so that requests which it refuses are not taken for a wrong
            setting.
        sleep: waits for so many seconds; for tests.
        now: a clock, seconds; for tests.

    Raises:
        ChatError: for an endpoint that is down, a wrong key, an unknown model, or settings that it does not take.
        StoreError: for a cache that cannot be used.
    """
    keys = [stable_hash(route.identity(request), 40) for request in requests]
    values: dict[str, T | ChatFailure] = {}
    store = KeptReplies(cache / CACHE_FILE) if cache is not None else None
    try:
        waiting: dict[str, Q] = {}
        for key, request in zip(keys, requests, strict=True):
            if key in values or key in waiting:
                continue
            kept = store.get(key) if store is not None else None
            if kept is not None:
                # A check that has become stricter since then asks again.
                with suppress(ValueError):
                    values[key] = check(request, kept)
            if key not in values:
                waiting[key] = request
        shares = Counter(keys)
        done = sum(shares[key] for key in values)
        cached, usage = done, ChatUsage(cached=done)
        if done:
            advance(done)
        if waiting:
            asker = _Asker(route, check, answered=answered or cached > 0, sleep=sleep, now=now)
            for reply in asker.run(waiting):
                if reply.text is not None:
                    assert not isinstance(reply.value, ChatFailure)
                    if store is not None:
                        store.put({reply.key: reply.text})
                    accepted(waiting[reply.key], reply.value)
                values[reply.key] = reply.value
                done += shares[reply.key]
                advance(done)
            usage += asker.usage()
    finally:
        if store is not None:
            store.close()
    return ChatOutcome(tuple(values[key] for key in keys), usage)


def served_models(config: EndpointConfig) -> list[dict[str, Any]] | None:
    """What the endpoint says of the models that it serves, an entry with an `id` each; None if it does not tell.

    Raises:
        ChatError: for an endpoint that is not there, or a wrong key.
    """
    secret = _secret(config)
    errors, client = _Errors(config, secret), _client(config, secret)
    import openai  # behind what says that it is missing

    try:
        body = json.loads(client.models.with_raw_response.list().text)
        return [item for item in body["data"] if isinstance(item, dict) and isinstance(item.get("id"), str)]
    except openai.APIStatusError as error:
        if error.status_code in (401, 403):
            raise errors.status(error) from None
        if error.status_code < 500:
            return None  # it has no such list
        reason = str(errors.status(error))
    except (openai.OpenAIError, Unacceptable) as error:
        problem = errors.connection(error)
        if isinstance(problem, ChatError):
            raise problem from None
        reason = str(problem)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    finally:
        client.close()
    raise ChatError(f"The endpoint {config.endpoint()} does not answer: {reason}. {_CHECK}")


# Chat ----------------------------------------------------------------------------------------------------------------


@final
class _Chat(Route[ChatRequest]):
    def __init__(self, config: ChatConfig) -> None:
        super().__init__(config)
        self._chat = config

    @property
    def response(self) -> str:
        return "chat completion"

    @property
    def advice(self) -> str:
        structured = self._chat.structured
        if structured == "text":
            return ""
        less = "json_object" if structured == "json_schema" else "text"
        return f"It may not know structured={structured}: try structured={less}."

    def identity(self, request: ChatRequest) -> Mapping[str, Any]:
        messages = [sendable(request.system), sendable(request.user)]
        return {"chat": 1, **self._chat.scientific(), "messages": messages, "schema": request.schema}

    def send(self, client: Any, request: ChatRequest) -> Any:
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
        content, finish = choice["message"]["content"], choice.get("finish_reason")
        if finish == "length":
            raise ValueError("its reply was cut at the longest length; raise max_tokens")
        if not isinstance(content, str) or not content.strip() or finish == "content_filter":
            raise ValueError("its reply was empty or withheld")
        return content


# Sending -------------------------------------------------------------------------------------------------------------


class _Again(Exception):
    """Something that may pass."""

    def __init__(self, reason: str, *, wait: float | None = None, nobody: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        """How long the endpoint wants to be left alone, seconds."""
        self.nobody = nobody
        """Whether nothing at all answered."""


class _Refused(Exception):
    """A request that the endpoint will never take."""


class _Stopped(Exception):
    """Other work has failed for good."""


@final
@dataclass(frozen=True, slots=True)
class _Reply(Generic[T]):
    key: str
    value: T | ChatFailure
    text: str | None = None
    """None for a failure."""


@final
class _Pace:
    """When the next request may go: the rate limit, and the rest an endpoint asked for."""

    def __init__(self, per_minute: float | None, sleep: Callable[[float], None], now: Callable[[], float]) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._sleep = sleep
        self._now = now
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Returns when it is this thread's turn."""
        with self._lock:
            moment = self._now()
            turn = max(moment, self._next)
            self._next = turn + self._interval
        if turn > moment:
            self._sleep(turn - moment)

    def pause(self, seconds: float) -> None:
        """Nobody sends anything for so long."""
        with self._lock:
            self._next = max(self._next, self._now() + seconds)


@final
class _Asker(Generic[Q, T]):
    """Sends requests from several threads; their results come back to the one that called `run`."""

    def __init__(
        self,
        route: Route[Q],
        check: Callable[[Q, str], T],
        *,
        answered: bool,
        sleep: Callable[[float], None] | None,
        now: Callable[[], float],
    ) -> None:
        self.route = route
        self.config = route.config
        self.check = check
        self._stop = threading.Event()
        self._sleep = sleep or self._rest
        self._pace = _Pace(self.config.requests_per_minute, self._sleep, now)
        self._lock = threading.Lock()
        self._answered = answered
        self._heard = 0
        """Answers of the endpoint, errors too."""
        self._row = 0
        """Requests that failed since the last useful reply of the endpoint."""
        self._sent = self._retries = self._prompt = self._completion = 0
        secret = _secret(self.config)
        self._errors = _Errors(self.config, secret)
        self._client = _client(self.config, secret)

    def run(self, waiting: Mapping[str, Q]) -> Iterable[_Reply[T]]:
        """The replies as they come."""
        todo = deque(waiting.items())
        outbox: queue.SimpleQueue[tuple[_Reply[T] | BaseException, threading.Event]] = queue.SimpleQueue()

        def work() -> None:
            while not self._stop.is_set():
                try:
                    key, request = todo.popleft()
                except IndexError:
                    return
                result: _Reply[T] | BaseException
                try:
                    result = self._ask(key, request)
                except BaseException as error:  # noqa: BLE001 (it is raised again where it can be seen)
                    result = error
                taken = threading.Event()
                outbox.put((result, taken))
                if isinstance(result, BaseException):
                    return
                # A kill loses no more replies than there are workers.
                while not taken.wait(0.1) and not self._stop.is_set():
                    pass

        # Daemons: Ctrl-C need not wait for an endpoint that hangs.
        threads = [
            threading.Thread(target=work, daemon=True, name=f"chat-{number}")
            for number in range(min(self.config.concurrency, len(waiting)))
        ]
        for thread in threads:
            thread.start()
        failed: BaseException | None = None
        try:
            for _ in range(len(waiting)):
                item, taken = outbox.get()
                if isinstance(item, BaseException):
                    failed = item
                    break
                yield item
                taken.set()
        finally:
            self._stop.set()
        if failed is not None:
            # What the others were just being told is not thrown away.
            for thread in threads:
                thread.join(self.config.timeout)
            while not outbox.empty():
                item, _ = outbox.get()
                if isinstance(item, _Reply) and item.text is not None:
                    yield item
        self._client.close()
        if failed is not None:
            raise failed

    def usage(self) -> ChatUsage:
        """What it took so far."""
        prices = (self.config.price_input, self.config.price_output)
        tokens = (self._prompt, self._completion)
        cost = sum(price * amount / 1e6 for price, amount in zip(prices, tokens, strict=True) if price is not None)
        return ChatUsage(
            requests=self._sent,
            retries=self._retries,
            prompt_tokens=self._prompt,
            completion_tokens=self._completion,
            cost=None if prices == (None, None) else cost,
        )

    def _rest(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _Stopped

    def _ask(self, key: str, request: Q) -> _Reply[T]:
        rng = Random(f"chat/{key}")
        reason, nobody, heard = "", False, self._heard
        for attempt in range(self.config.attempts):
            if attempt:
                self._sleep(min(_LONGEST_REST, 2.0 ** (attempt - 1)) * rng.uniform(0.5, 1.0))
            self._pace.wait()
            if self._stop.is_set():
                raise _Stopped
            with self._lock:
                self._sent += 1
                self._retries += attempt > 0
            try:
                text = self._send(request)
            except _Again as error:
                reason, nobody = error.reason, error.nobody
                if error.wait is not None:
                    self._be_patient(error)
                continue
            except _Refused as error:
                return self._give_up(key, str(error), refused=True)
            try:
                value = self.check(request, text)
            except ValueError as error:
                reason, nobody = f"its reply cannot be used: {_clip(str(error))}", False
                continue
            with self._lock:
                self._row, self._answered = 0, True
            return _Reply(key, value, text)
        if nobody and self._heard == heard:
            raise ChatError(
                f"The model {self.config.model!r} at {self.config.endpoint()} does not answer: {reason}. Tried "
                f"{self._times()}. {_CHECK} {_AGAIN}"
            )
        return self._give_up(key, f"{reason} (tried {self._times()})", refused=False)

    def _times(self) -> str:
        return "once" if self.config.attempts == 1 else f"{self.config.attempts} times"

    def _be_patient(self, error: _Again) -> None:
        assert error.wait is not None
        if error.wait > LONGEST_WAIT:
            raise ChatError(
                f"The endpoint {self.config.endpoint()} asks to be left alone for {error.wait:.0f} seconds "
                f"({error.reason}). Come back then. {_AGAIN}"
            )
        self._pace.pause(error.wait)

    def _give_up(self, key: str, reason: str, *, refused: bool) -> _Reply[T]:
        """A failure of this request, or of the endpoint if nothing else gets through either."""
        with self._lock:
            self._row += 1
            row, answered = self._row, self._answered
        if row >= _ROW and not (refused and answered):
            hint = f" {self.route.advice}" if refused and self.route.advice else ""
            raise ChatError(
                f"The model {self.config.model!r} at {self.config.endpoint()} failed for {row} requests in a row, "
                f"the last time because {reason}.{hint} {_AGAIN}"
            )
        return _Reply(key, ChatFailure(reason))

    def _send(self, request: Q) -> str:
        """The text of a complete reply."""
        import openai

        try:
            text = self.route.send(self._client, request).text
        except openai.APITimeoutError:
            # An endpoint that has answered before is slow, not away.
            told = f"no answer within {self.config.timeout:g} seconds, or none that ended within {TIMES} times as many"
            raise _Again(told, nobody=not self._answered) from None
        except openai.APIStatusError as error:
            with self._lock:
                self._heard += 1
            raise self._errors.status(error) from None
        except (openai.OpenAIError, Unacceptable) as error:
            raise self._errors.connection(error) from None
        return self._content(text)

    def _content(self, text: str) -> str:
        """What the model said; raises _Again for anything but one complete reply."""
        content, problem = "", None
        try:
            body = json.loads(text)
            choice = body["choices"][0]
            try:
                content = self.route.read(choice)
            except ValueError as error:
                problem = str(error)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise _Again(f"what came back is not a {self.route.response}") from None
        usage = body.get("usage")
        if isinstance(usage, dict):
            with self._lock:
                self._prompt += _count(usage.get("prompt_tokens"))
                self._completion += _count(usage.get("completion_tokens"))
        with self._lock:
            self._heard += 1
            self._row = 0  # the endpoint works, whatever the model says
        if problem is not None:
            raise _Again(problem)
        return content


@final
class _Errors:
    """What an endpoint's errors mean, in words without the key."""

    def __init__(self, config: EndpointConfig, secret: str | None) -> None:
        self.config = config
        self._secret = secret

    def connection(self, error: Exception) -> Exception:
        """Nobody was there, or somebody who replies what is not read."""
        # Some versions of the client pass on what is raised below it, others make it the cause of their own.
        cause = error if isinstance(error, Unacceptable) else error.__cause__
        if isinstance(cause, Elsewhere):
            return ChatError(
                f"The endpoint {self.config.endpoint()} redirects to {cause}, to which nothing was sent. If that is "
                f"the address that you mean, name it as base_url. {_AGAIN}"
            )
        if isinstance(cause, Unacceptable):
            return _Again(str(cause))
        return _Again(self._scrubbed(f"no connection ({cause or error})"), nobody=True)

    def status(self, error: Any) -> Exception:
        """What an HTTP error means."""
        status, headers, told = error.status_code, error.response.headers, self._told(error)
        endpoint, model, variable = self.config.endpoint(), self.config.model, self.config.key_variable
        said = f"HTTP {status}{f': {told}' if told else ''}"
        if status == 401:
            given = f"the key in {variable}" if self._secret else f"requests without a key ({variable} is not set)"
            return ChatError(
                f"The endpoint {endpoint} refuses {given}: HTTP 401. Set {variable} to a valid key. {_AGAIN}"
            )
        if status == 403:
            return ChatError(
                f"The endpoint {endpoint} does not allow this key to use {model!r}: {said}. Use another model, or a "
                f"key in {variable} that has the right. {_AGAIN}"
            )
        if status == 404:
            return ChatError(
                f"The endpoint {endpoint} does not know the model {model!r}, or is not the address of an "
                f"OpenAI-compatible server (it usually ends with /v1): {said}. {_AGAIN}"
            )
        if status == 429 and "insufficient_quota" in told:
            return ChatError(f"The account at {endpoint} has no credit left: {said}. {_AGAIN}")
        if status in (408, 409, 425, 429) or status >= 500:
            return _Again(said, wait=_retry_after(headers))
        return _Refused(f"the endpoint refuses it: {said}")

    def _told(self, error: Any) -> str:
        """The endpoint's own words, short."""
        body = error.body
        message = body.get("message") if isinstance(body, dict) else None
        code = body.get("code") if isinstance(body, dict) else None
        words = " ".join(str(item) for item in (code, message) if isinstance(item, str) and item)
        return self._scrubbed(words)

    def _scrubbed(self, text: str) -> str:
        """Without the key, should anything repeat it."""
        if self._secret:
            text = text.replace(self._secret, "***")
        return _clip(escaped(re.sub(r"\b(sk-|Bearer\s+)\S+", "***", text)))


def _client(config: EndpointConfig, secret: str | None) -> Any:
    try:
        import openai
    except ImportError:
        raise ChatError(
            f"Asking an endpoint needs the package openai, which is not installed: {to_install('judge')}."
        ) from None
    if secret is None and config.endpoint() == HOSTED:
        raise ChatError(
            f"There is no key for {HOSTED}: set the environment variable {config.key_variable}. Or name another "
            "endpoint as base_url, such as http://localhost:8000/v1."
        )
    return openai.OpenAI(
        api_key=secret or "none",  # the client wants some
        base_url=config.endpoint(),
        timeout=config.timeout,
        max_retries=0,  # they are counted and paced here
        http_client=http_client(config.endpoint(), config.timeout),
    )


def _secret(config: EndpointConfig) -> str | None:
    secret = os.environ.get(config.key_variable, "").strip()
    if not (secret.isascii() and secret.isprintable()):
        at = next(number for number, sign in enumerate(secret, 1) if not (sign.isascii() and sign.isprintable()))
        raise ChatError(
            f"The key in {config.key_variable} cannot be one: character {at} of {len(secret)} is not a printable ASCII "
            "character. Set it again, without quotes, blanks or line breaks of a text that it was copied from."
        )
    return secret or None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, as RFC 9110 section 10.2.3 has it: a number, or a date."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = email.utils.parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def sendable(text: str) -> str:
    """Half characters, which no request can hold, become the replacement sign."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text


def _clip(text: str, limit: int = 300) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= limit else f"{joined[: limit - 1]}…"


# Keeping -------------------------------------------------------------------------------------------------------------


@final
class KeptReplies:
    """Texts under keys, in one SQLite file that survives a kill at any moment and may be shared by processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, timeout=60.0, isolation_level=None)
            self._base.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, text TEXT NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise self._error(error) from error

    def get(self, key: str) -> str | None:
        """The text under a key.

        Raises:
            StoreError: if the file is damaged.
        """
        try:
            row = self._base.execute("SELECT text FROM kept WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._error(error) from error
        return row[0] if row is not None and isinstance(row[0], str) else None

    def put(self, texts: Mapping[str, str]) -> None:
        """Keep texts, all of them or none.

        Raises:
            StoreError: if the disk is full or refuses.
        """
        rows = [(key, sendable(text)) for key, text in texts.items()]
        try:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                self._base.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", rows)
                self._base.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._base.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Everything that was put is on the disk already."""
        self._base.close()

    def _error(self, error: OSError | sqlite3.Error) -> StoreError:
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            return StoreError(f"The cache {self.path} is damaged ({error}). Delete it; what it held is asked again.")
        return StoreError(
            f"The cache {self.path} cannot be used: {error}. Free some space, or choose a folder that this user can "
            "write to with RESTOR_CACHE. What was kept before stays."
        )
