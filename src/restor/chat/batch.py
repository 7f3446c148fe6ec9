"""Many requests to one model: each once, again after what passes by itself, and never for what a cache has."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

from restor.chat.client import CHECK, Client, Passing
from restor.chat.configs import EndpointConfig
from restor.chat.kept import KeptReplies
from restor.chat.routes import ChatFailure, ChatOutcome, ChatUsage, Route
from restor.chat.sender import PATIENCE, Sender
from restor.config import stable_hash
from restor.errors import ChatError

T = TypeVar("T")
Q = TypeVar("Q")

CACHE_FILE = "replies.sqlite"


def ask_all(
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
    shares = Counter(keys)
    values: dict[str, T | ChatFailure] = {}
    with closing(KeptReplies(cache / CACHE_FILE)) if cache is not None else nullcontext() as store:
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
        done = sum(shares[key] for key in values)
        usage = ChatUsage(cached=done)
        if done:
            advance(done)
        if waiting:
            sender = Sender(route, check, answered=answered or done > 0, sleep=sleep, now=now)
            for reply in sender.run(waiting):
                if not isinstance(reply.value, ChatFailure):
                    if store is not None:
                        store.put({reply.key: reply.text})
                    accepted(waiting[reply.key], reply.value)
                values[reply.key] = reply.value
                done += shares[reply.key]
                advance(done)
            usage += sender.usage()
    return ChatOutcome(tuple(values[key] for key in keys), usage)


def served_models(config: EndpointConfig) -> list[dict[str, Any]] | None:
    """What the endpoint says of the models that it serves, an entry with an `id` each; None if it does not tell.

    Raises:
        ChatError: for an endpoint that is not there, or a wrong key.
    """
    client = Client(config)
    import openai  # behind what says that it is missing

    try:
        listed = client.text(lambda api: api.models.with_raw_response.list(), config.timeout * PATIENCE)
        entries = json.loads(listed)["data"]
        return [item for item in entries if isinstance(item, dict) and isinstance(item.get("id"), str)]
    except openai.APIStatusError as error:
        if error.status_code in (401, 403):
            raise client.explain(error) from None
        if error.status_code < 500:
            return None  # it has no such list
        reason = str(client.explain(error))
    except Passing as error:
        reason = error.reason
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    finally:
        client.close()
    raise ChatError(f"The endpoint {config.endpoint()} does not answer: {reason}. {CHECK}")
