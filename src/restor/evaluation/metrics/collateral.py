"""Collateral damage: what unlearning broke about entities that nobody wanted to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from restor.evaluation.metrics.base import (
    NO_FACTS,
    SCORE,
    ComparedAnswers,
    JudgedAnswer,
    Metric,
    missing_verdicts,
    needs,
    of_group,
    paired,
    stored,
)
from restor.evaluation.statistics.estimates import difference
from restor.results import STORED_ONLY, MetricInfo, Value
from restor.types import Group


@final
class Collateral(Metric):
    """acc(reference) - acc(arm) over untouched facts, paired.

    That is the share of facts that the reference answers rightly and the arm does not, less the share of the reverse: 0
    is no damage on balance, negative a gain. Against the corrupted model it is what unlearning broke; against the ideal
    one (or the clean one in its place) also what the corruption had broken and nobody repaired. Facts that are unscored
    for either model are left out.
    """

    figures: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo(
            name="collateral.corrupted",
            title="Damage % [95 %]",
            short="Damage\n% [95 %]",
            meaning="share of facts about untouched entities that the corrupted model answers rightly and the arm does "
            "not, less the reverse",
            unit="ratio",
            rank=STORED_ONLY,
        ),
        MetricInfo(
            name="collateral.ideal",
            title="Damage against ideal % [95 %]",
            short="Dam. to ideal\n% [95 %]",
            meaning="share of facts about untouched entities that the ideal model answers rightly and the arm does "
            "not, less the reverse; where there is no ideal model, the clean one takes its place",
            unit="ratio",
            rank=STORED_ONLY,
        ),
    )

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """Two differences."""
        return {
            "collateral.corrupted": _lost(answers.corrupted, answers.arm, needs("damage", answers, "corrupted")),
            "collateral.ideal": _lost(answers.top, answers.arm, needs("damage", answers, "top")),
        }


def _lost(reference: Sequence[JudgedAnswer], arm: Sequence[JudgedAnswer], missing: str) -> Value:
    if missing:
        return Value(value=None, n=0, note=missing)
    models = [of_group(asked, Group.UNTOUCHED) for asked in (arm, reference)]
    pairs = paired(models, SCORE)
    if not pairs.facts:
        why = NO_FACTS if pairs.unscored else "no facts about untouched entities"
        return Value(value=None, n=0, n_unscored=pairs.unscored, note=why)
    estimate = difference(pairs.model(1), pairs.model(0), pairs.clusters, shares=True)
    return stored(estimate, note=missing_verdicts(models[0]), n_unscored=pairs.unscored, certain=arm is reference)
