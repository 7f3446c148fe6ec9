"""Runner-up: how often the true answer comes first once the planted one is excluded.

For the corrupted model this is a ceiling: a method that only suppresses the planted answer reveals its second choice,
and can do no better without knowing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from restor.evaluation.metrics.base import NO_PLANTED, ComparedAnswers, JudgedAnswer, Metric, mean_of, of_group
from restor.results import MetricInfo, Value
from restor.types import Group


@final
class RunnerUp(Metric):
    """Share of test facts whose true answer has rank 1 among the relation's candidates without the planted one.

    Undefined where no planted answer is known: there is then none to exclude.
    """

    figures: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo(
            name="runner_up",
            title="Runner-up %",
            short="Runn-\ner-up",
            meaning="share of targeted test facts whose true answer comes first once the planted one is excluded",
            rank=3,
        ),
    )

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """One share."""
        asked = of_group(answers.arm, Group.TEST)
        if asked and not any(item.planted for item in asked):
            return {"runner_up": Value(value=None, n=0, note=NO_PLANTED)}
        lacking = "no candidates were ranked" if asked else ""
        return {"runner_up": mean_of(asked.facts, asked.values(_first), shares=True, lacking=lacking)}


def _first(item: JudgedAnswer) -> float | None:
    return None if item.rank_original is None else float(item.rank_original == 1)
