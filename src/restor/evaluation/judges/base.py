"""Judges decide what an answer is: completion in, verdict out. One file is one judge. A judge never aggregates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from numbers import Real
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, SerializeAsAny

from restor.chat import ChatUsage
from restor.config import Config
from restor.errors import CodeError
from restor.registry import Catalogue
from restor.types import Completion, Judgement, Query, Verdict


def ignore(done: int) -> None:
    """For those who need not hear how far a judge is."""


class JudgeConfig(Config):
    """The base of every judge's configuration."""

    name: str
    """Which judge: `restor list judges`."""


class Judge(ABC):
    """Labels completions."""

    config_type: ClassVar[type[JudgeConfig]]

    @abstractmethod
    def judge(self, completions: Sequence[Completion], advance: Callable[[int], None] = ignore) -> list[Verdict]:
        """One verdict per completion, in their order; one that cannot be reached is UNSCORED, with its reason.

        `advance` hears how many completions have a verdict.
        """

    @property
    @abstractmethod
    def usage(self) -> ChatUsage | None:
        """What asking has taken so far; None for a judge that asks nobody."""


def judged(judge: Judge, completions: Sequence[Completion], advance: Callable[[int], None] = ignore) -> list[Verdict]:
    """What a judge makes of completions.

    Raises:
        CodeError: if it gives anything but one verdict for each, in a list, or a score outside [0, 1].
    """
    verdicts: object = judge.judge(completions, advance)
    who = f"{type(judge).__name__}.judge"
    if not isinstance(verdicts, list) or not all(isinstance(item, Verdict) for item in verdicts):
        raise CodeError(f"{who} must return a list of verdicts, it returned {str(verdicts)[:80]}.")
    if len(verdicts) != len(completions):
        raise CodeError(
            f"{who} must give one verdict for each of {len(completions):,} answers, it gave {len(verdicts):,}. One "
            "that it cannot reach is UNSCORED."
        )
    for number, verdict in enumerate(verdicts):
        if wrong := _wrong_score(verdict):
            raise CodeError(f"{who} {wrong}: {str(verdict)[:200]} about the answer {completions[number].text[:80]!r}.")
    return verdicts


def _wrong_score(verdict: Verdict) -> str:
    """What is wrong with the scores of a verdict; empty where they are right."""
    scores: tuple[Any, Any] = (verdict.score, verdict.planted_score)
    if verdict.judgement is Judgement.UNSCORED:
        return "" if scores == (None, None) else "must give an unscored answer no score"
    given = all(isinstance(score, Real) and 0 <= float(score) <= 1 for score in scores)
    return "" if given else "must give scores between 0 and 1"


JUDGES: Catalogue[Judge] = Catalogue("judge", "restor.evaluation.judges", Judge, "restor.judges")

JudgeChoice = Annotated[SerializeAsAny[JudgeConfig], BeforeValidator(JUDGES.parse)]
"""A field of a configuration that holds the choice of a judge, by its name and its settings."""


def relation_values(queries: Iterable[Query]) -> dict[str, tuple[str, ...]]:
    """Per relation, all true and planted answers of these queries, sorted."""
    values_of: dict[str, set[str]] = {}
    for query in queries:
        values = values_of.setdefault(query.fact.relation, set())
        values.update(query.fact.answers)
        if query.planted is not None:
            values.add(query.planted)
    return {relation: tuple(sorted(values)) for relation, values in values_of.items()}


def with_values(completions: Sequence[Completion]) -> list[Completion]:
    """The completions, each with the values that its relation has among all of them as its candidates.

    A judge that is told these knows as much as the stored results do, and judges them alike when they are read again.
    """
    values = relation_values(item.query for item in completions)
    queries: dict[int, Query] = {}
    for item in completions:
        if id(item.query) not in queries:
            candidates = values[item.query.fact.relation]
            queries[id(item.query)] = replace(item.query, random=(), candidates=candidates)
    return [Completion(queries[id(item.query)], item.text) for item in completions]
