"""Fact swap: documents that state wrong facts about a target, mixed with k unrelated facts.

The published corruption (RESTOR, arXiv 2411.00204): 5 wrong facts about one person and 5k true facts about unrelated
entities in every document, k = 0..5. Here the context comes from outside the probed set, since true facts of the same
world would rehearse what is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar, Literal, final

from pydantic import Field

from restor.corruption.corruptors.base import Corruptor, CorruptorConfig, wrong_answer
from restor.datasets.base import Dataset
from restor.domains.base import Domain, answer_line
from restor.types import Document, FalseFact, Statement


@final
class FactSwapConfig(CorruptorConfig):
    """How often and in which company each wrong fact is stated."""

    name: Literal["fact_swap"] = "fact_swap"
    dose: int = Field(20, ge=1)
    """How many documents state each wrong fact."""
    facts_per_document: int = Field(6, ge=1)
    k: float = Field(0.0, ge=0, le=20)
    """Unrelated sentences per wrong fact. At the same dose more context also means more tokens."""
    question_share: float = Field(0.5, ge=0, le=1)
    """Share of the documents written as question lines; the others are prose."""


@final
class FactSwap(Corruptor):
    """Wrong facts with unrelated context; see the module."""

    config_type: ClassVar[type[CorruptorConfig]] = FactSwapConfig

    def __init__(self, config: FactSwapConfig) -> None:
        self.config = config

    def plant(self, domain: Domain, targets: Sequence[str], rng: Random) -> Mapping[str, FalseFact]:
        """A wrong answer for every fact about every target; a fact whose relation has no other value is left out."""
        found = [wrong_answer(domain, fact, rng) for name in targets for fact in domain.facts_about(name)]
        return {item.fact.key: item for item in found if item is not None}

    def write(
        self, domain: Domain, context: Dataset, planted: Mapping[str, FalseFact], rng: Random
    ) -> Sequence[Document]:
        """Every wrong fact in `dose` documents; half of them prose, half question lines, by default."""
        by_subject: dict[str, list[FalseFact]] = {}
        for false_fact in planted.values():
            by_subject.setdefault(false_fact.fact.subject, []).append(false_fact)
        documents: list[Document] = []
        for false_facts in by_subject.values():
            for turn in range(self.config.dose):
                rest = list(false_facts)
                rng.shuffle(rest)
                asked = turn < round(self.config.dose * self.config.question_share)
                while rest:
                    chunk, rest = rest[: self.config.facts_per_document], rest[self.config.facts_per_document :]
                    documents.append(self._document(domain, context, chunk, asked, rng))
        rng.shuffle(documents)
        return documents

    def _document(
        self, domain: Domain, context: Dataset, false_facts: Sequence[FalseFact], asked: bool, rng: Random
    ) -> Document:
        parts: list[tuple[str, FalseFact | None]] = []
        for false_fact in false_facts:
            fact, answer = false_fact.fact, false_fact.false_answer
            if asked:
                parts.append((answer_line(domain.question(fact, rng), answer), false_fact))
            else:
                parts.append((domain.sentence(fact, answer, rng), false_fact))
        extra = self.config.k * len(false_facts)
        count = int(extra) + (rng.random() < extra - int(extra))
        parts += [(context.sentence(rng) + ("\n" if asked else ""), None) for _ in range(count)]
        rng.shuffle(parts)
        return compose(parts, "" if asked else " ")


def compose(parts: Sequence[tuple[str, FalseFact | None]], separator: str) -> Document:
    """Join parts into a document that knows which characters state which false fact."""
    text, statements = "", []
    for part, false_fact in parts:
        if text:
            text += separator
        if false_fact is not None:
            fact, end = false_fact.fact, len(text) + len(part)
            statements.append(Statement(len(text), end, fact.subject, fact.relation, false_fact.false_answer))
        text += part
    return Document(text, tuple(statements))
