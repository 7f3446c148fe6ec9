"""What the engine is asked, as token ids. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import final

Ids = tuple[int, ...]

Sequences = tuple[Ids, ...]
"""Prompts with the answers that are to be kept from them, as token ids."""


@final
@dataclass(frozen=True, slots=True)
class Option:
    """An answer to be scored: behind the first `kept` ids of the prompt come `ids`, the ones that are scored.

    `kept` is the whole prompt, unless the tokens at its end depend on what follows.
    """

    kept: int
    ids: Ids
    layers: bool = False
    """Whether it is also scored by what each layer says."""

    @property
    def scored(self) -> bool:
        """Whether it has a token that something stands before."""
        return len(self.ids) > (self.kept == 0)


@final
@dataclass(frozen=True, slots=True)
class Item:
    """A prompt, the options to be scored behind it, and how many answers are to be written."""

    name: str
    """What messages call it."""
    prompt: Ids
    options: tuple[Option, ...] = ()
    answers: int = 0
    suppressed: Sequences = ()
    """Whose last token is suppressed where the others stand."""

    def longest(self, answer: int) -> int:
        """Tokens of the prompt with an answer of `answer` tokens or its longest option."""
        written = len(self.prompt) + answer if self.answers else 0
        return max(written, *(option.kept + len(option.ids) for option in self.options), 0)


@final
@dataclass(slots=True)
class AnswerLine:
    """An answer that is being written."""

    item: Item
    number: int
    """The item's place among those asked together."""
    run: int = 0
    ids: list[int] = field(default_factory=list)
    stream: Random | None = None
    """Its own random numbers, where answers are drawn."""


@final
@dataclass(frozen=True, slots=True)
class OptionScore:
    """How probable an option is behind its prompt, as if the whole string had been run; in nats."""

    total: float
    """Sum of the log-probs of its tokens, from the first one that differs from the prompt's own tokens."""
    tokens: int
    greedy: bool
    """Whether each of them is the model's most probable one."""
    layers: tuple[float, ...] = ()
    """Where it was asked for, the mean as read off after each layer; the last one is the output's own."""

    @property
    def mean(self) -> float:
        """Per token."""
        return self.total / self.tokens


@final
@dataclass(frozen=True, slots=True)
class Result:
    """What a model said to an item."""

    options: tuple[OptionScore | None, ...]
    """None for an option without a token that something stands before: it has no score."""
    answers: tuple[Ids, ...]
    """The token ids of each answer, the one that ended it among them."""


def completing(sequences: Sequences, path: Ids) -> list[int]:
    """The tokens that make one of the sequences of what stands there so far."""
    size = len(path)
    return sorted({ids[-1] for ids in sequences if len(ids) == size + 1 and ids[:-1] == path})


def common(left: Ids, right: Ids) -> int:
    """Length of the common start."""
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return place
    return min(len(left), len(right))
