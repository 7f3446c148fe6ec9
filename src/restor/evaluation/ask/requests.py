"""The engine for everybody: log-probs of options, answers, and which option a greedy answer is."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeVar, final

from pydantic import Field

from restor.config import Config
from restor.errors import ConfigError, DataError
from restor.evaluation.ask.engine.items import OptionScore

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from restor.evaluation.ask.engine.encoding import Encoder
    from restor.evaluation.ask.engine.items import Ids, Item, Option, Result
    from restor.evaluation.ask.engine.writer import Writer
    from restor.models.model_ref import ModelRef

WINDOW = 1024
"""Requests that are read ahead: within them, those that begin alike are run together."""

T = TypeVar("T")


@final
class EngineSettings(Config):
    """How much the engine does at a time."""

    tokens: int | None = Field(None, ge=1)
    """In one forward; null finds it: what is fast on a CPU, and on a GPU what its free memory holds."""
    window: int = Field(WINDOW, ge=1)
    """Requests that are read ahead. Those that begin alike share their beginning if they are in one window."""
    shared: bool = False
    """Under torchrun, whether each process asks a share of the requests and all get every result. All of them must
    then ask the same, at the same time; torch.distributed is initialised (gloo) if it is not yet."""


@final
@dataclass(frozen=True, slots=True)
class Request:
    """A prompt and the options that may follow it, as text or as token ids, both of one kind.

    An option is put behind the prompt as it is: a space between them belongs to the option. A single text may be given
    without a tuple around it.
    """

    prompt: str | tuple[int, ...]
    options: tuple[str | tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        given: object = self.options
        if isinstance(given, str):
            object.__setattr__(self, "options", (given,))


@final
@dataclass(frozen=True, slots=True)
class Scored:
    """A request with the scores of its options, in their order."""

    request: Request
    options: tuple[OptionScore | None, ...]
    """None: not scored, since the option has no token that something stands before. It is empty, or the whole string is
    one token and the tokenizer puts none before a text."""


@final
@dataclass(frozen=True, slots=True)
class Generated:
    """A prompt with what a model wrote behind it."""

    prompt: str | tuple[int, ...]
    texts: tuple[str, ...]
    """One for each sample, up to the stop string, the end of text or the limit."""
    ids: tuple[tuple[int, ...], ...]
    """Their token ids, with the one that ended each."""


def score(
    model: PreTrainedModel | ModelRef | str | Path,
    requests: Iterable[Request],
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    settings: EngineSettings | None = None,
) -> Iterator[Scored]:
    """Score the options of every request, in the order of the requests; these are read a window at a time.

    Args:
        model: a checkpoint (folder, hub id or `ModelRef`), or a model in evaluation mode on its device.
        requests: what to score.
        tokenizer: of a model given as such; not needed where all requests are token ids.
        settings: how much at a time.

    Raises:
        DataError: for a request that does not fit the model's context, cannot be read, or has a token that the model
            has no embedding for.
        ConfigError: for a model given without a tokenizer that is needed, or a checkpoint that cannot be loaded.
        TrainingError: if the logits are not numbers, or a GPU's memory does not hold even a few tokens.
    """
    return _scored(_Asked.of(model, tokenizer, settings), requests)


def generate(
    model: PreTrainedModel | ModelRef | str | Path,
    prompts: Iterable[str | tuple[int, ...]],
    *,
    max_new_tokens: int,
    tokenizer: PreTrainedTokenizerBase | None = None,
    stop: Sequence[str] = ("\n",),
    temperature: float | None = None,
    top_p: float = 1.0,
    samples: int = 1,
    seed: int = 0,
    settings: EngineSettings | None = None,
) -> Iterator[Generated]:
    """Write behind every prompt, in the order of the prompts. Nothing of a checkpoint's own settings is inherited.

    Args:
        model: as in `score`.
        prompts: text or token ids; several samples of one share its cache.
        max_new_tokens: the longest answer, of each for itself.
        tokenizer: of a model given as such.
        stop: strings that end an answer and are no part of it; the end of text always does.
        temperature: None takes the most probable token; above 0, logits are divided by it.
        top_p: in (0, 1]: drawn from the fewest most probable tokens that hold this much probability.
        samples: answers to each prompt, where they are drawn.
        seed: of the random numbers, which belong to the prompt, its place and the sample.
        settings: how much at a time.

    Raises:
        DataError, ConfigError, TrainingError: as `score`.
    """
    _check_drawing(max_new_tokens, temperature, top_p, samples, stop)
    asked = _Asked.of(model, tokenizer, settings)
    asked.needs_encoder()
    drawn = None if temperature is None else _Drawn(temperature, top_p, seed)
    return _generated(asked, prompts, max_new_tokens, tuple(stop), drawn, samples)


def matches(
    model: PreTrainedModel | ModelRef | str | Path,
    requests: Iterable[Request],
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    stop: Sequence[str] = ("\n",),
    settings: EngineSettings | None = None,
) -> Iterator[int | None]:
    """Which option the greedy answer to each request is, stop included; None if it is none of them.

    Found by teacher forcing: the options are run as they are scored, and what the model predicts behind each of their
    tokens is read off. Only an answer that spells an option by other tokens, or ends one, is written, and no further
    than it may still be an option.

    Args:
        model: as in `score`.
        requests: with their options as they would be written, such as " York".
        tokenizer: of a model given as such.
        stop: strings that end an answer; the end of text always does.
        settings: how much at a time.

    Raises:
        DataError, ConfigError, TrainingError: as `score`.
    """
    _check_stop("matches", stop)
    asked = _Asked.of(model, tokenizer, settings)
    asked.needs_encoder()
    return _matched(asked, requests, tuple(stop))


# Results, as they come -----------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Drawn:
    """How tokens are drawn."""

    temperature: float
    top_p: float
    seed: int


def _scored(asked: _Asked, requests: Iterable[Request]) -> Iterator[Scored]:
    for window in _windows(requests, asked.ahead):
        for request, result in zip(window, asked.ask(window), strict=True):
            yield Scored(request, result.options)


def _generated(
    asked: _Asked,
    prompts: Iterable[str | tuple[int, ...]],
    most: int,
    stop: Sequence[str],
    drawn: _Drawn | None,
    samples: int,
) -> Iterator[Generated]:
    from restor.evaluation.ask.engine.text_writers import Drawing, TextWriter

    encoder, ends, before = asked.needs_encoder(), asked.ends(), 0
    for window in _windows(prompts, asked.ahead):
        drawing = None
        if drawn is not None:
            drawing = Drawing(drawn.temperature, drawn.top_p, _streams(drawn.seed, before))
        writer = TextWriter(encoder, ends=ends, most=most, stop=stop, drawing=drawing)
        results = asked.ask([Request(prompt) for prompt in window], writer, answers=samples)
        for prompt, result in zip(window, results, strict=True):
            yield Generated(prompt, tuple(map(writer.text, result.answers)), result.answers)
        before += len(window)


def _matched(asked: _Asked, requests: Iterable[Request], stop: Sequence[str]) -> Iterator[int | None]:
    from restor.evaluation.ask.engine.text_writers import Matcher, TextWriter

    encoder, ends = asked.needs_encoder(), asked.ends()
    for window in _windows(requests, asked.ahead):
        texts = [
            tuple(text if isinstance(text, str) else encoder.decode(text) for text in request.options)
            for request in window
        ]
        # However an option and a stop string are spelled, every token adds a byte.
        most = 2 + sum(
            max((len(text.encode()) for text in spelled), default=0)
            for spelled in ([text for wanted in texts for text in wanted], stop)
        )
        plain = TextWriter(encoder, ends=ends, most=most, stop=stop)
        results = asked.ask(window, Matcher(plain, texts, asked.context), answers=1, room=1)
        for wanted, result in zip(texts, results, strict=True):
            said = plain.text(result.answers[0]).strip()
            ended = plain.ended(result.answers[0])
            yield next((place for place, text in enumerate(wanted) if ended and text.strip() == said), None)


@final
class _Asked:
    """A model with its tokenizer, ready for requests."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None, settings: EngineSettings
    ) -> None:
        from restor.evaluation.ask.engine.encoding import Encoder
        from restor.evaluation.ask.engine.engine import Engine, Limits
        from restor.evaluation.ask.sharing import Sharing

        self.model, self.tokenizer, self.settings = model, tokenizer, settings
        self._encoder: Encoder | None = None if tokenizer is None else Encoder(tokenizer)
        pad = 0 if self._encoder is None else self._encoder.pad
        self._engine: Engine = Engine(model, pad=pad, limits=Limits(settings.tokens), note=_warn)
        self._sharing: Sharing | None = Sharing.begin(model.device) if settings.shared else None
        self.ahead = settings.window * (1 if self._sharing is None else self._sharing.size)
        """Requests that are read ahead: a window for each process."""

    @classmethod
    def of(
        cls,
        model: PreTrainedModel | ModelRef | str | Path,
        tokenizer: PreTrainedTokenizerBase | None,
        settings: EngineSettings | None,
    ) -> _Asked:
        """The model as it is given, or loaded.

        Raises:
            DataError, ConfigError: if it cannot be loaded.
        """
        from restor.models.families import embeddings_in
        from restor.models.model_ref import ModelRef, parse_model_ref
        from restor.models.tokenizer import limit_embeddings

        if isinstance(model, str | Path):
            model = parse_model_ref(str(model))
        if isinstance(model, ModelRef):
            from restor.models.loading import load_checkpoint

            model, loaded_tokenizer = load_checkpoint(model, to_ask=True)
            tokenizer = tokenizer or loaded_tokenizer
        if tokenizer is not None:
            limit_embeddings(tokenizer, embeddings_in(model))
        return cls(model, tokenizer, settings or EngineSettings())

    def needs_encoder(self) -> Encoder:
        """What text is encoded and decoded with.

        Raises:
            ConfigError: without a tokenizer.
        """
        if self._encoder is None:
            raise ConfigError(
                "There is no tokenizer to read or write text with. Give the model's own as tokenizer=..., or the "
                "model as a folder or hub id; only score takes requests of token ids without one."
            )
        return self._encoder

    def ends(self) -> frozenset[int]:
        """Tokens that end a text."""
        from restor.models.families import ends_of

        assert self.tokenizer is not None, "told before"
        return ends_of(self.model, self.tokenizer)

    @property
    def context(self) -> int | None:
        """Most tokens in a row."""
        return self._engine.context

    def ask(
        self,
        requests: Sequence[Request],
        writer: Writer | None = None,
        *,
        answers: int = 0,
        room: int | None = None,
    ) -> list[Result]:
        """The results of some requests, in their order; those that begin alike are run side by side.

        `room` is how many tokens of an answer must fit into the context; None: the writer's most.
        """
        from restor.evaluation.ask.engine.items import Item

        most = room or (0 if writer is None else writer.most)
        items = [
            Item(_name(request), prompt, options, answers=answers)
            for request, (prompt, options) in zip(requests, self._prepared(requests), strict=True)
        ]
        for item in items:
            _check(item, most, self._engine.context)
        # A window is run together, whoever runs it, so that results do not depend on how many share the requests.
        size = self.settings.window
        batches = [
            sorted(range(start, min(start + size, len(items))), key=lambda number: items[number].prompt)
            for start in range(0, len(items), size)
        ]

        def results(part: Sequence[int]) -> dict[int, Result]:
            asked = self._engine.ask([items[number] for number in part], writer, numbers=part)
            return dict(zip(part, asked, strict=True))

        if self._sharing is not None:
            results_of_all = self._sharing.results(items, batches, results)
        else:
            results_of_all = {number: result for part in batches for number, result in results(part).items()}
        return [results_of_all[number] for number in range(len(items))]

    def _prepared(self, requests: Sequence[Request]) -> list[tuple[Ids, tuple[Option, ...]]]:
        """Their token ids.

        Raises:
            DataError: for a request that mixes text and token ids.
        """
        from restor.evaluation.ask.engine.items import Option

        texts = [place for place, request in enumerate(requests) if isinstance(request.prompt, str)]
        encoded: dict[int, tuple[Ids, tuple[Option, ...]]] = {}
        for place, request in enumerate(requests):
            if any(isinstance(option, str) != isinstance(request.prompt, str) for option in request.options):
                raise DataError(
                    f"The request {_name(request)!r} has text and token ids. Give the prompt and its options as one "
                    "of the two."
                )
            if not isinstance(request.prompt, str):
                encoded_options = tuple(Option(len(request.prompt), tuple(map(int, ids))) for ids in request.options)
                encoded[place] = (tuple(map(int, request.prompt)), encoded_options)
        if texts:
            prompts = [str(requests[place].prompt) for place in texts]
            options = [[str(option) for option in requests[place].options] for place in texts]
            encoded |= zip(texts, self.needs_encoder().prepare(prompts, options), strict=True)
        return [encoded[place] for place in range(len(requests))]


def _check(item: Item, most: int, context: int | None) -> None:
    if item.answers and not item.prompt:
        raise DataError(
            "A prompt has no token, so there is nothing to write behind. Give some text, or a tokenizer that begins "
            "texts with a token of its own."
        )
    longest = item.longest(most)
    if context is not None and longest > context:
        raise DataError(
            f"The request {item.name!r} has {len(item.prompt)} tokens, {longest} with what follows, which do not fit "
            f"the model's context of {context}. Shorten it, or take a model with a longer context."
        )


def _check_drawing(most: int, temperature: float | None, top_p: float, samples: int, stop: Sequence[str]) -> None:
    wrong = {
        f"max_new_tokens {most}: 1 or more": most < 1,
        f"temperature {temperature}: above 0, or None for the most probable token": not (
            temperature is None or 0 < temperature < math.inf
        ),
        f"top_p {top_p}: above 0 and at most 1": not 0 < top_p <= 1,
        f"samples {samples}: 1 or more": samples < 1,
        f"samples {samples} without a temperature, where all are the same: give a temperature, or take one": (
            samples > 1 and temperature is None
        ),
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(f"generate cannot take {message}.")
    _check_stop("generate", stop)


def _check_stop(asked: str, stop: Sequence[str]) -> None:
    if isinstance(stop, str) or not all(stop):
        raise ConfigError(f"{asked} cannot take stop {stop!r}: several strings, none of them empty.")


def _streams(seed: int, before: int) -> Callable[[int, int], Random]:
    return lambda number, run: Random(f"generate/{seed}/{before + number}/{run}")


def _name(request: Request) -> str:
    return request.prompt[-60:] if isinstance(request.prompt, str) else f"{len(request.prompt)} token ids"


def _warn(note: str) -> None:
    warnings.warn(note, stacklevel=2)


def _windows(given: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(given)
    while window := list(islice(iterator, size)):
        yield window
