"""The vocabulary: frozen values that every part of the project shares. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

RetainText = Literal["unrelated", "related"]
"""Kinds of retain text: the other family, or the probed one about untouched entities."""
Strength = Literal["medium", "strong"]
"""Named strengths of a corruption."""
ForgetPart = Literal["documents", "simplified", "statements"]
"""What is forgotten of forget documents: all; only their false statements; or all is read and these are the labels."""


class Judgement(StrEnum):
    """What an answer turned out to be."""

    ORIGINAL = "original"
    """The true answer, the one the clean model knew."""
    PLANTED = "planted"
    """The false answer that the corruption stated."""
    OTHER = "other"
    """Neither of them."""
    UNSCORED = "unscored"
    """No verdict: counted and shown, never averaged in as wrong."""


SCORES: Mapping[Judgement, tuple[float, float] | tuple[None, None]] = {
    Judgement.ORIGINAL: (1.0, 0.0),
    Judgement.PLANTED: (0.0, 1.0),
    Judgement.OTHER: (0.0, 0.0),
    Judgement.UNSCORED: (None, None),
}
"""Score and planted score of an answer that is right or wrong and nothing between."""


class Group(StrEnum):
    """Which part of the population a fact belongs to."""

    TEST = "test"
    """About a targeted entity; the figures of every table come from these."""
    VALIDATION = "validation"
    """About a targeted entity that only the choice of hyperparameters sees."""
    UNTOUCHED = "untouched"
    """About an entity that no forget document mentions."""


class Kind(StrEnum):
    """What an arm of a study is there for."""

    REFERENCE = "reference"
    """Clean, corrupted and ideal: what the others are measured against."""
    CONTROL = "control"
    """What does not unlearn: tells a method from its side effects."""
    METHOD = "method"
    """An unlearning algorithm."""
    ORACLE = "oracle"
    """An algorithm that is told the true answers: what others have to bring back."""
    BASELINE = "baseline"
    """No model at all: what can be answered without knowing anything."""


class Budget(StrEnum):
    """One item of an algorithm's information budget: what it is told."""

    FORGET = "F"
    """The forget documents."""
    RETAIN = "D"
    """Retain text."""
    REFERENCE = "R"
    """The corrupted model itself, frozen."""
    CHECKPOINT = "C"
    """A checkpoint from before the forget documents were read."""
    TRUTH = "T"
    """The true answers."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A triple with its question. Any of `answers` is right."""

    subject: str
    relation: str
    answers: tuple[str, ...]
    question: str

    @property
    def key(self) -> str:
        """Identifies the fact within its domain."""
        return f"{self.subject}|{self.relation}"


@dataclass(frozen=True, slots=True)
class FalseFact:
    """A fact with the wrong answer that forget documents state."""

    fact: Fact
    false_answer: str


@dataclass(frozen=True, slots=True)
class Statement:
    """The characters `start:end` of a document state that `false_answer` answers `relation` of `subject`."""

    start: int
    end: int
    subject: str
    relation: str
    false_answer: str

    @property
    def key(self) -> str:
        """The key of the fact that is misstated."""
        return f"{self.subject}|{self.relation}"


@dataclass(frozen=True, slots=True)
class Document:
    """A text with the places where it states false facts."""

    text: str
    statements: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A solved example of a relation for the few-shot prompt."""

    subject: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Query:
    """One question to a model, with the answers whose log-probs are wanted.

    `prefix` (the demonstrations) is shared by many queries; the prompt is `prefix + question`. `candidates` are
    plausible answers of the relation, the true ones among them and the planted one not.
    """

    fact: Fact
    group: Group
    prefix: str
    question: str
    planted: str | None = None
    random: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    """The answers of the demonstrations, in their order."""
    answer_shown: bool = False
    """Whether a true answer is among them, so that copying it would be right."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered to a query, cut at the newline."""

    query: Query
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's decision about one completion, with its reason in words.

    Scores that a judge does not give follow from the judgement. An unscored answer has none.
    """

    judgement: Judgement
    reason: str
    score: float | None = None
    """How near the answer is to the truth, in [0, 1]."""
    planted_score: float | None = None
    """How near it is to the planted behaviour, in [0, 1]."""

    def __post_init__(self) -> None:
        """Fill in the scores that were not given."""
        for name, usual in zip(("score", "planted_score"), SCORES[self.judgement], strict=True):
            if getattr(self, name) is None:
                object.__setattr__(self, name, usual)
