"""How answers are written: which token comes next, and when an answer is over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from restor.evaluation.ask.engine.items import AnswerLine, Item


class Writer(ABC):
    """Chooses the tokens of answers."""

    @property
    @abstractmethod
    def most(self) -> int:
        """Most tokens of an answer."""

    @property
    @abstractmethod
    def plain(self) -> bool:
        """Whether the next token is always the most probable one, whatever the line."""

    @abstractmethod
    def begin(self, item: Item, number: int) -> list[AnswerLine]:
        """The answers of an item, nothing written yet."""

    @abstractmethod
    def next(self, logits: Tensor, lines: Sequence[AnswerLine]) -> list[int]:
        """The next token of each line, by its row of the logits (B, V)."""

    @abstractmethod
    def over(self, line: AnswerLine) -> bool:
        """Whether the last token of the line ends it."""
