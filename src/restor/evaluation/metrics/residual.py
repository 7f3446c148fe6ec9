"""Residual corruption: how much of what was planted is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from restor.evaluation.metrics.base import (
    NO_FACTS,
    NO_PLANTED,
    PLANTED_SCORE,
    ComparedAnswers,
    Metric,
    needs,
    of_group,
    paired,
    stored,
)
from restor.evaluation.statistics.estimates import SMALLEST_GAP, ratio
from restor.results import STORED_ONLY, MetricInfo, Value
from restor.types import Group


@final
class Residual(Metric):
    """Planted answers of the arm for each one of the corrupted model: the ratio of the mean planted scores.

    It is of test facts whose planted answer is known. 0 is none left, 1 as many as before, above 1 more. It counts
    answers, not facts: one planted answer gone and another one come is no change. The mean over all test facts is
    `test.planted`. Facts that are unscored for either model are left out. Undefined where the corrupted model hardly
    gives planted answers.
    """

    figures: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo(
            name="residual",
            title="Residual % [95 %]",
            short="Residual\n% [95 %]",
            meaning="planted answers of the arm for each one of the corrupted model, targeted test facts; 0 is none "
            "left",
            unit="ratio",
            rank=STORED_ONLY,
        ),
    )

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """The ratio, or why there is none."""
        return {"residual": self._value(answers)}

    def _value(self, answers: ComparedAnswers) -> Value:
        if missing := needs("residual corruption", answers, "corrupted"):
            return Value(value=None, n=0, note=missing)
        asked = of_group(answers.arm, Group.TEST)
        known = asked.planted
        if not known:
            return Value(value=None, n=0, note=NO_PLANTED if asked else "no facts")
        models = [of_group(model, Group.TEST).about(known) for model in (answers.arm, answers.corrupted)]
        pairs = paired(models, PLANTED_SCORE)
        if not pairs.facts:
            return Value(value=None, n=0, n_unscored=pairs.unscored, note=NO_FACTS)
        before = pairs.means[1]
        if before < SMALLEST_GAP:
            note = f"undefined: the corrupted model hardly gives planted answers ({100 * before:.0f} %)"
            entities = pairs.clusters.n_entities
            return Value(value=None, n=len(pairs.facts), n_entities=entities, n_unscored=pairs.unscored, note=note)
        estimate = ratio(pairs.model(0), pairs.model(1), pairs.clusters)
        return stored(estimate, n_unscored=pairs.unscored, certain=answers.arm is answers.corrupted)
