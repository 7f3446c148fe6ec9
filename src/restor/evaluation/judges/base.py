"""Judges decide what an answer is: completion in, verdict out. One file is one judge. A judge never aggregates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from restor.config import Config
from restor.registry import Catalogue
from restor.types import Completion, Verdict


class JudgeConfig(Config):
    """The base of every judge's configuration."""

    name: str


class Judge(ABC):
    """Labels completions."""

    config_type: ClassVar[type[JudgeConfig]]

    @abstractmethod
    def judge(self, completions: Sequence[Completion]) -> list[Verdict]:
        """One verdict per completion, in their order; one that cannot be reached is UNSCORED, with its reason."""


JUDGES: Catalogue[Judge] = Catalogue("judge", "restor.evaluation.judges", Judge, "restor.judges")
