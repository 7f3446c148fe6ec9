"""Accuracy: how often each judgement was given, targeted and untouched facts apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from restor.evaluation.metrics.base import Answers, Metric, mean_value, of_group
from restor.results import Value
from restor.types import Group, Judgement


@final
class Accuracy(Metric):
    """Shares of ORIGINAL, PLANTED and OTHER among the scored answers; the unscored are counted beside them."""

    names: ClassVar[tuple[str, ...]] = ("test.original", "test.planted", "test.other", "untouched.original")

    def compute(self, answers: Answers) -> Mapping[str, Value]:
        """Four shares."""
        found = {}
        for name in self.names:
            group, judgement = name.split(".")
            asked = of_group(answers.arm, Group(group))
            scored = [item for item in asked if item.judgement is not Judgement.UNSCORED]
            found[name] = mean_value(
                [item.entity for item in scored],
                [float(item.judgement is Judgement(judgement)) for item in scored],
                n_unscored=len(asked) - len(scored),
            )
        return found
