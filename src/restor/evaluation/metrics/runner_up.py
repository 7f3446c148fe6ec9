"""Runner-up: how often the true answer comes first once the planted one is excluded.

For the corrupted model this is a ceiling: a method that only suppresses the planted answer reveals its second choice,
and can do no better without knowing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from restor.evaluation.metrics.base import Answers, Metric, mean_value, of_group
from restor.results import Value
from restor.types import Group


@final
class RunnerUp(Metric):
    """Share of test facts whose true answer has rank 1 among the relation's candidates without the planted one."""

    names: ClassVar[tuple[str, ...]] = ("runner_up",)

    def compute(self, answers: Answers) -> Mapping[str, Value]:
        """One share."""
        asked = of_group(answers.arm, Group.TEST)
        ranked = [(item.entity, item.rank_original) for item in asked if item.rank_original is not None]
        value = mean_value(
            [entity for entity, _ in ranked],
            [float(rank == 1) for _, rank in ranked],
            n_unscored=len(asked) - len(ranked),
        )
        return {"runner_up": value}
