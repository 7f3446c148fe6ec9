"""Answers as text: greedy or drawn, up to a stop string or the end of text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import final

from torch import Tensor

from restor.evaluation.ask.engine.drawing import draw
from restor.evaluation.ask.engine.encoding import Encoder
from restor.evaluation.ask.engine.items import AnswerLine, Item, completing
from restor.evaluation.ask.engine.writer import Writer


@final
@dataclass(frozen=True, slots=True)
class Drawing:
    """How tokens are drawn."""

    temperature: float
    top_p: float
    stream: Callable[[int, int], Random]
    """The random numbers of an answer, by the number of its item and of the run."""


@final
class TextWriter(Writer):
    """Writes answers of at most `most` tokens.

    Args:
        encoder: of the model's tokenizer.
        ends: tokens that end a text.
        most: tokens.
        stop: strings that end an answer, and are no part of it.
        drawing: None takes the most probable token.
        refused: whether an item, by its number, must not be answered with a text so far; asked of items with
            suppressed sequences only.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        ends: frozenset[int],
        most: int,
        stop: Sequence[str],
        drawing: Drawing | None = None,
        refused: Callable[[int, str], bool] | None = None,
    ) -> None:
        self._encoder, self._ends, self._most, self._stop = encoder, ends, most, tuple(stop)
        self._drawing, self._refused = drawing, refused
        self._stops = encoder.stops(self._stop) | ends
        # Several tokens may spell these, or the space between them is in none of them by itself.
        self._long = tuple(string for string in self._stop if len(string.encode()) > 1 or string == " ")
        self.stop_starts = tuple(string[:size] for string in self._stop for size in range(1, len(string)))
        """What a stop string may begin with."""

    @property
    def most(self) -> int:
        """Most tokens of an answer."""
        return self._most

    @property
    def plain(self) -> bool:
        """Whether the next token is always the most probable one."""
        return self._drawing is None and self._refused is None

    def begin(self, item: Item, number: int) -> list[AnswerLine]:
        """The answers of an item, nothing written yet."""
        stream = self._drawing.stream if self._drawing is not None else None
        return [AnswerLine(item, number, run, stream=stream and stream(number, run)) for run in range(item.answers)]

    def over(self, line: AnswerLine) -> bool:
        """Whether the answer has ended."""
        return self.ended(line.ids)

    def ended(self, ids: Sequence[int]) -> bool:
        """Whether tokens end with a stop string or the end of text."""
        return bool(ids) and (
            ids[-1] in self._stops or any(string in self._encoder.decode(ids) for string in self._long)
        )

    def text(self, ids: Sequence[int]) -> str:
        """An answer without what ended it."""
        text = self._encoder.decode([token for token in ids if token not in self._ends])
        ends = [place for string in self._stop if (place := text.find(string)) >= 0]
        return text[: min(ends)] if ends else text

    def next(self, logits: Tensor, lines: Sequence[AnswerLine]) -> list[int]:
        """The next token of each line, by its row of the logits (B, V)."""
        known = [
            (place, token)
            for place, line in enumerate(lines)
            if line.item.suppressed
            for token in completing(line.item.suppressed, (*line.item.prompt, *line.ids))
        ]
        logits = _without(logits, known)
        tokens = self._pick(logits, lines)
        # What spells the same otherwise is found when it comes up.
        open_lines = [place for place, line in enumerate(lines) if line.item.suppressed]
        while said := [place for place in open_lines if self._says(lines[place], tokens[place])]:
            logits = _without(logits, [(place, tokens[place]) for place in said])
            again = self._pick(logits[said], [lines[place] for place in said])
            for place, token in zip(said, again, strict=True):
                tokens[place] = token
            open_lines = said
        return tokens

    def _pick(self, logits: Tensor, lines: Sequence[AnswerLine]) -> list[int]:
        if self._drawing is not None:
            streams = [line.stream for line in lines if line.stream is not None]
            return draw(logits, streams, temperature=self._drawing.temperature, top_p=self._drawing.top_p)
        best: list[int] = logits.argmax(dim=-1).tolist()
        return best

    def _says(self, line: AnswerLine, token: int) -> bool:
        return self._refused is not None and self._refused(line.number, self.text([*line.ids, token]))


@final
class Matcher(Writer):
    """Writes the most probable answer only as far as it may be one of the item's options, which are `texts`.

    An answer is over where the context is full.
    """

    def __init__(self, plain: TextWriter, texts: Sequence[Sequence[str]], context: int | None = None) -> None:
        self._plain, self._context = plain, context
        self._texts = [[text.strip() for text in options] for options in texts]

    @property
    def most(self) -> int:
        """Most tokens of an answer."""
        return self._plain.most

    @property
    def plain(self) -> bool:
        """Always the most probable token."""
        return True

    def begin(self, item: Item, number: int) -> list[AnswerLine]:
        """One answer."""
        return self._plain.begin(item, number)

    def next(self, logits: Tensor, lines: Sequence[AnswerLine]) -> list[int]:
        """The most probable token of each line."""
        return self._plain.next(logits, lines)

    def over(self, line: AnswerLine) -> bool:
        """Whether the answer has ended, or is none of the options."""
        full = self._context is not None and len(line.item.prompt) + len(line.ids) >= self._context
        if full or self._plain.over(line):
            return True
        # What is no whole character yet may become one.
        said, options = self._plain.text(line.ids).rstrip("\ufffd"), self._texts[line.number]
        return not any(text.startswith(said.strip()) for text in options) and not any(
            said.endswith(start) and said.removesuffix(start).strip() in options for start in self._plain.stop_starts
        )


def _without(logits: Tensor, tokens: Sequence[tuple[int, int]]) -> Tensor:
    """The logits with some impossible tokens, given as row and token."""
    if not tokens:
        return logits
    logits = logits.clone()
    places, ids = zip(*tokens, strict=True)
    logits[list(places), list(ids)] = -math.inf
    return logits
