"""Sends requests from several threads, not faster than allowed, and again after what passes by itself."""

from __future__ import annotations

import json
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any, Generic, TypeVar, final

from restor.chat.client import AGAIN, CHECK, Client, Passing, RequestRefused, clip
from restor.chat.routes import ChatFailure, ChatUsage, Route
from restor.errors import ChatError

T = TypeVar("T")
Q = TypeVar("Q")

LONGEST_WAIT = 600.0
"""Seconds; an endpoint that asks for more patience ends the work, and the next call goes on with it."""

PATIENCE = 10
"""All tries of a request together may wait for so many times the seconds that an endpoint may be silent."""

_LONGEST_REST = 60.0
_ROW = 3
"""So many requests in a row that fail however often they are tried, and the endpoint counts as down."""


@final
class _Stopped(Exception):
    """Other work has failed for good."""


@final
@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """What became of one request."""

    key: str
    value: T | ChatFailure
    text: str
    """Empty for a failure."""


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
class Sender(Generic[Q, T]):
    """Sends requests from several threads; their replies come back to the one that called `run`."""

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
        self._client = Client(self.config)

    def run(self, waiting: Mapping[str, Q]) -> Iterator[Reply[T]]:
        """The replies as they come."""
        inbox: queue.SimpleQueue[tuple[str, Q] | None] = queue.SimpleQueue()
        outbox: queue.SimpleQueue[Reply[T] | BaseException] = queue.SimpleQueue()

        def work() -> None:
            for key, request in iter(inbox.get, None):
                try:
                    outbox.put(self._ask(key, request))
                except BaseException as error:  # noqa: BLE001 (it is raised again where it can be seen)
                    outbox.put(error)

        todo = iter(waiting.items())
        running = min(self.config.concurrency, len(waiting))
        # Daemons, and no executor of the standard library: Ctrl-C need not wait for an endpoint that hangs.
        threads = [threading.Thread(target=work, daemon=True, name=f"chat-{number}") for number in range(running)]
        for thread in threads:
            thread.start()
        for item in islice(todo, running):
            inbox.put(item)
        failure: BaseException | None = None
        until = math.inf
        try:
            while running:
                try:
                    result = outbox.get(timeout=None if failure is None else max(0.0, until - time.monotonic()))
                except queue.Empty:
                    break
                running -= 1
                if isinstance(result, BaseException):
                    if failure is None:
                        failure, until = result, time.monotonic() + self.config.timeout
                        self._stop.set()
                elif failure is None:
                    yield result
                    # Only now, so that a kill loses no more replies than there are threads.
                    if (following := next(todo, None)) is not None:
                        inbox.put(following)
                        running += 1
                elif not isinstance(result.value, ChatFailure):
                    yield result  # what others were just being told is not thrown away
        finally:
            self._stop.set()
            for _ in threads:
                inbox.put(None)
        if not running:
            self._client.close()
        if failure is not None:
            raise failure

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

    def _ask(self, key: str, request: Q) -> Reply[T]:
        rng = Random(f"chat/{key}")
        reason, nobody, heard, tries = "", False, self._heard, 0
        left = self.config.timeout * PATIENCE
        while tries < self.config.attempts and left > 0:
            if tries:
                self._sleep(min(_LONGEST_REST, 2.0 ** (tries - 1)) * rng.uniform(0.5, 1.0))
            self._pace.wait()
            if self._stop.is_set():
                raise _Stopped
            with self._lock:
                self._sent += 1
                self._retries += tries > 0
            tries += 1
            began = time.monotonic()
            try:
                text = self._send(request, left)
            except Passing as error:
                reason, nobody = error.reason, error.nobody
                if error.wait is not None and error.wait > LONGEST_WAIT:
                    raise ChatError(
                        f"The endpoint {self.config.endpoint()} asks to be left alone for {error.wait:.0f} seconds "
                        f"({reason}). Come back then. {AGAIN}"
                    ) from None
                self._pace.pause(error.wait or 0.0)
                continue
            except RequestRefused as error:
                return self._give_up(key, str(error), refused=True)
            finally:
                left -= time.monotonic() - began
            try:
                value = self.check(request, text)
            except ValueError as error:
                reason, nobody = f"its reply cannot be used: {clip(str(error))}", False
                continue
            with self._lock:
                self._row, self._answered = 0, True
            return Reply(key, value, text)
        tried = "once" if tries == 1 else f"{tries} times"
        if nobody and self._heard == heard:
            raise ChatError(
                f"The model {self.config.model!r} at {self.config.endpoint()} does not answer: {reason}. Tried "
                f"{tried}. {CHECK} {AGAIN}"
            )
        return self._give_up(key, f"{reason} (tried {tried})", refused=False)

    def _give_up(self, key: str, reason: str, *, refused: bool) -> Reply[T]:
        """A failure of this request, or of the endpoint if nothing else gets through either."""
        with self._lock:
            self._row += 1
            row, answered = self._row, self._answered
        if row >= _ROW and not (refused and answered):
            hint = f" {self.route.advice}" if refused and self.route.advice else ""
            raise ChatError(
                f"The model {self.config.model!r} at {self.config.endpoint()} failed for {row} requests in a row, "
                f"the last time because {reason}.{hint} {AGAIN}"
            )
        return Reply(key, ChatFailure(reason), "")

    def _send(self, request: Q, seconds: float) -> str:
        """The text of a complete reply that is there within so many seconds."""
        import openai

        try:
            body = self._client.text(lambda api: self.route.send(api, request), seconds)
        except openai.APIStatusError as error:
            with self._lock:
                self._heard += 1
            raise self._client.explain(error) from None
        except Passing as error:
            if not error.too_late:
                raise
            silent = f"no answer within {self.config.timeout:g} seconds"
            reason = f"{silent}, or none that ended within {PATIENCE} times as many"
            # An endpoint that has answered before is slow, not away.
            raise Passing(reason, nobody=not self._answered) from None
        return self._content(body)

    def _content(self, body: str) -> str:
        """What the model said; raises Passing for anything but one complete reply."""
        content, problem = "", None
        try:
            response = json.loads(body)
            choice = response["choices"][0]
            try:
                content = self.route.read(choice)
            except ValueError as error:
                problem = str(error)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise Passing(f"what came back is not a {self.route.response}") from None
        usage: Any = response.get("usage")
        with self._lock:
            if isinstance(usage, dict):
                self._prompt += _count(usage.get("prompt_tokens"))
                self._completion += _count(usage.get("completion_tokens"))
            self._heard += 1
            self._row = 0  # the endpoint works, whatever the model says
        if problem is not None:
            raise Passing(problem)
        return content


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
