"""The default judge: normalised alias match, offline and deterministic.

Case, accents, articles, punctuation and white space do not count. An answer matches when it equals an alias or holds
it as whole words. An answer that holds both a true alias and the planted one is judged by the one that comes first,
and at the same place by the longer one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, final

from restor.evaluation.judges.base import Judge, JudgeConfig
from restor.types import Completion, Judgement, Verdict
from restor.words import normalise


@final
class AliasConfig(JudgeConfig):
    """Nothing to set."""

    name: Literal["alias"] = "alias"


@final
class Alias(Judge):
    """Normalised alias match; see the module."""

    config_type: ClassVar[type[JudgeConfig]] = AliasConfig

    def __init__(self, config: AliasConfig) -> None:
        self.config = config

    def judge(self, completions: Sequence[Completion]) -> list[Verdict]:
        """Judge each completion on its own."""
        return [_verdict(item.text, item.query.fact.answers, item.query.planted) for item in completions]


def _verdict(text: str, answers: Sequence[str], planted: str | None) -> Verdict:
    said = normalise(text)
    if not said:
        return _wordless(text, answers, planted)
    original = min(((_find(answer, said), answer) for answer in answers), default=(None, ""), key=_first)
    false = (_find(planted, said), planted) if planted is not None else (None, "")
    if original[0] is not None and (false[0] is None or _first(original) <= _first(false)):
        return Verdict(Judgement.ORIGINAL, f"holds the true answer {original[1]!r}")
    if false[0] is not None:
        return Verdict(Judgement.PLANTED, f"holds the planted answer {false[1]!r}")
    return Verdict(Judgement.OTHER, "holds neither the true nor the planted answer")


def _wordless(text: str, answers: Sequence[str], planted: str | None) -> Verdict:
    """Answers without letters and digits, such as the name of the band `!!!`, must match sign by sign."""
    bare = text.strip()
    if not bare:
        return Verdict(Judgement.OTHER, "empty answer")
    if any(bare == answer.strip() for answer in answers):
        return Verdict(Judgement.ORIGINAL, f"is the true answer {bare!r}")
    if planted is not None and bare == planted.strip():
        return Verdict(Judgement.PLANTED, f"is the planted answer {bare!r}")
    return Verdict(Judgement.OTHER, "holds no words")


def _first(found: tuple[tuple[int, int] | None, object]) -> tuple[int, int]:
    return found[0] if found[0] is not None else (1 << 60, 0)


def _find(alias: str, said: tuple[str, ...]) -> tuple[int, int] | None:
    """Where an alias stands in an answer as whole words: its first word's place, the longer alias first."""
    words = normalise(alias)
    if not words:
        return None
    for place in range(len(said) - len(words) + 1):
        if said[place : place + len(words)] == words:
            return place, -len(words)
    return None
