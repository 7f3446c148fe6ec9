"""Answers of a model that is served elsewhere, by vLLM or any other OpenAI-compatible completions endpoint. Torch-free.

The whole prompt is sent as text and continued up to the newline, as a model on this machine is asked. Log-probs are not
asked for: endpoints give those of what they write, or of the whole prompt at the price of reading it anew for each
option.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, final

from pydantic import Field, ValidationError, field_validator

from restor.chat import ChatFailure, ChatUsage, EndpointConfig, Route, ask_all, sendable, served_models
from restor.errors import ChatError, ConfigError
from restor.evaluation.ask.sampling import Sampling
from restor.types import Query

PREFIX = "endpoint:"
"""How a model that is served begins where it is given as text."""

STOP = "\n"

AT_ONCE = 2048
"""Most requests that are in memory."""

_OWN = frozenset({"model", "prompt", "max_tokens", "temperature", "top_p", "seed", "stop", "n", "echo", "logprobs"})
"""Fields of a request that are not the user's."""
_WITHHELD = frozenset({"content_filter", "abort", "error"})


@final
class EndpointRef(EndpointConfig):
    """A served model. A text `endpoint:URL#MODEL` is read as one too."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of each request, such as `top_k: -1` for vLLM; they count as part of what was asked."""

    @field_validator("extra")
    @classmethod
    def _not_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(_OWN & value.keys()):
            raise ValueError(f"{', '.join(taken)} cannot be set here: the evaluation says what they are")
        text = json.dumps(value, ensure_ascii=False)
        if sendable(text) != text:
            raise ValueError("it holds half a character, which no request can")
        return value


def parse_endpoint(text: str) -> EndpointRef:
    """Read `endpoint:URL#MODEL`.

    Raises:
        ConfigError: without a URL or a model, or for a URL that is none.
    """
    url, _, model = text.strip().removeprefix(PREFIX).partition("#")
    try:
        if not (url and model):
            raise ValueError("it lacks the URL" if not url else "it lacks the model")
        return EndpointRef(base_url=url, model=model)
    except ValueError as error:
        reason = error.errors()[0]["msg"].split(", ", 1)[-1] if isinstance(error, ValidationError) else error
        raise ConfigError(
            f"Cannot read {_without_secrets(text)!r} as a served model: {reason}. Write {PREFIX}URL#MODEL, as in "
            f"{PREFIX}http://localhost:8000/v1#my-model, where MODEL is its name at the endpoint."
        ) from None


def _without_secrets(text: str) -> str:
    """An address without the name and password, or the query, that it should not have."""
    return re.sub(r"\?[^#]*", "?***", re.sub(r"//[^/]*@", "//***@", text))


# Which model ---------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Served:
    """What is known of a served model: all that its answers can be told apart by. Its weights cannot be hashed."""

    model: str
    """The name it is served under."""
    root: str | None = None
    """What the server says that it loaded: a folder or hub id. None if it does not say."""
    parent: str | None = None
    """Of an adapter, the model that it is added to."""

    @property
    def label(self) -> str:
        """Short, for people."""
        further = ", ".join(f"{name} {value}" for name, value in (("root", self.root), ("on", self.parent)) if value)
        return f"served as {self.model}{f' ({further})' if further else ''}"

    def identity(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def identify(ref: EndpointRef) -> Served:
    """Ask the server what it serves under the model's name.

    Raises:
        ChatError: if the server is not there, refuses the key, or lists its models and this one is not among them.
    """
    listed = served_models(ref)
    if not listed:
        return Served(ref.model)
    entry = next((item for item in listed if item["id"] == ref.model), None)
    if entry is None:
        names = [item["id"] for item in listed]
        near = difflib.get_close_matches(ref.model, names, n=1, cutoff=0.5)
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        raise ChatError(
            f"The endpoint {ref.endpoint()} does not serve {ref.model!r}."
            f"{f' Did you mean {near[0]!r}?' if near else ''} It serves {', '.join(names[:10])}{more}."
        )
    root, parent = (entry.get(name) if isinstance(entry.get(name), str) else None for name in ("root", "parent"))
    return Served(ref.model, root if root != ref.model else None, parent)


# Asking --------------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class EndpointAnswer:
    """What a served model said to a query."""

    query: Query
    text: str
    run: int


@final
@dataclass(frozen=True, slots=True)
class _Request:
    prompt: str
    max_tokens: int
    temperature: float = 0.0
    top_p: float | None = None
    seed: int | None = None


@final
class _Completions(Route[_Request]):
    """`POST /completions`."""

    def __init__(self, ref: EndpointRef, served: Served) -> None:
        super().__init__(ref)
        self._extra = ref.extra
        self._served = served

    response = "completion"

    @property
    def advice(self) -> str:
        return "It must take whole prompts: POST /completions, which servers of chat models alone do not have."

    def identity(self, request: _Request) -> Mapping[str, Any]:
        content = asdict(request) | {"prompt": sendable(request.prompt)}
        return {"completion": 1, **self._served.identity(), "extra": self._extra, **content}

    def send(self, client: Any, request: _Request) -> Any:
        body: dict[str, Any] = {
            "model": self.config.model,
            "prompt": sendable(request.prompt),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "stop": [STOP],
        }
        if request.seed is not None:
            body |= {"top_p": request.top_p, "seed": request.seed}
        return client.completions.with_raw_response.create(**body, extra_body=self._extra or None)

    def read(self, choice: Any) -> str:
        text, finish = choice["text"], choice.get("finish_reason")
        if not isinstance(text, str):
            raise TypeError
        if finish in _WITHHELD:
            raise ValueError(f"its reply was withheld ({finish})")
        return sendable(text)  # half a character can stand in no file


@final
class EndpointAsker:
    """Asks a served model, several questions at a time, and keeps its answers as they come."""

    def __init__(
        self,
        ref: EndpointRef,
        served: Served,
        *,
        max_new_tokens: int,
        sampling: Sampling | None,
        kept: Path | None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        """Make one.

        Args:
            ref: where the model is.
            served: which it is, see `identify`.
            max_new_tokens: the longest answer.
            sampling: how answers are sampled; None takes the most probable token.
            kept: folder of the answers so far, which are not asked for again; None keeps nothing.
            sleep: waits for so many seconds; for tests.
        """
        self._route = _Completions(ref, served)
        self._max_new_tokens = max_new_tokens
        self._sampling = sampling
        self._kept = kept
        self._sleep = sleep
        self._usage = ChatUsage()

    @property
    def usage(self) -> ChatUsage:
        """What all answers so far took."""
        return self._usage

    def ask(self, queries: Iterable[Query], advance: Callable[[int], None]) -> Iterator[EndpointAnswer]:
        """The answers in the order of the queries, the runs of one behind each other.

        `advance` hears how many answers there are.

        Raises:
            ChatError: for an endpoint that is not there or refuses, or if a question gets no answer however often it is
                asked. What was answered is kept.
            StoreError: if the disk refuses.
        """
        waiting, done = self._requests(queries), 0
        while part := list(islice(waiting, AT_ONCE)):

            def heard(now: int, before: int = done) -> None:
                advance(before + now)

            texts = self._ask([request for _, _, request in part], heard, answered=done > 0)
            for (query, run, _), text in zip(part, texts, strict=True):
                yield EndpointAnswer(query, text, run)
            done += len(part)

    def _requests(self, queries: Iterable[Query]) -> Iterator[tuple[Query, int, _Request]]:
        sampling = self._sampling
        for query in queries:
            prompt = query.prefix + query.question
            if sampling is None:
                yield query, 0, _Request(prompt, self._max_new_tokens)
                continue
            # A request for each answer, as not every server has several answers to one, or seeds them apart.
            for run in range(sampling.runs):
                seed = sampling.seed_of(query, run)
                yield query, run, _Request(prompt, self._max_new_tokens, sampling.temperature, sampling.top_p, seed)

    def _ask(self, requests: Sequence[_Request], advance: Callable[[int], None], *, answered: bool) -> list[str]:
        outcome = ask_all(
            self._route,
            requests,
            lambda request, text: text.split(STOP, 1)[0].strip(),
            cache=self._kept,
            advance=advance,
            answered=answered,
            sleep=self._sleep,
        )
        self._usage += outcome.usage
        texts = [item for item in outcome.results if not isinstance(item, ChatFailure)]
        failed = [
            (request, item)
            for request, item in zip(requests, outcome.results, strict=True)
            if isinstance(item, ChatFailure)
        ]
        if failed:
            request, failure = failed[0]
            raise ChatError(
                f"{len(failed)} of {len(requests)} questions got no answer of {self._route.config.model!r} at "
                f"{self._route.config.endpoint()}. The first, ...{request.prompt[-80:]!r}: {failure.reason}. What was "
                "answered is kept: the same command asks only for the rest."
            )
        return texts
