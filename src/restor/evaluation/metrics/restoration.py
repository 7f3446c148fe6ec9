"""Restoration: how much of what the corruption took is back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from restor.evaluation.metrics.base import (
    SCORE,
    ComparedAnswers,
    JudgedAnswer,
    Metric,
    gained,
    missing_verdicts,
    needs,
    not_bitten,
    of_group,
    paired,
)
from restor.evaluation.statistics.estimates import SMALLEST_GAP
from restor.results import STORED_ONLY, MetricInfo, Value
from restor.types import Group


@final
class Restoration(Metric):
    """(acc(arm) - acc(corrupted)) / (acc(ideal) - acc(corrupted)), test targets, where acc is the mean score.

    1 is what the matched counterfactual knows, 0 the corrupted model; below 0 the arm made it worse. Without an ideal
    model the clean one takes its place, as in the published study. The interval takes the same entities for all three
    models. Facts that are unscored for any of the three are left out. The corrupted model itself is at 0 and the ideal
    one at 1 by definition. `restoration.clean` is the same with the clean model at 1, as the published study has it.
    """

    figures: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo(
            name="restoration",
            title="Restoration % [95 %]",
            short="Restoration\n% [95 %]",
            meaning="(arm - corrupted) / (ideal - corrupted), of test.original; 1 is full restoration; where there is "
            "no ideal model, the clean one takes its place",
            unit="ratio",
            rank=0,
        ),
        MetricInfo(
            name="restoration.clean",
            title="Restoration towards clean % [95 %]",
            short="Rest. to\nclean %",
            meaning="(arm - corrupted) / (clean - corrupted), of test.original",
            unit="ratio",
            rank=STORED_ONLY,
        ),
    )

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """The ratios, or why there is none."""
        towards_top = _towards(
            answers, answers.top, answers.top_name, needs("restoration", answers, "corrupted", "top")
        )
        missing = needs("restoration.clean", answers, "corrupted", "clean")
        return {"restoration": towards_top, "restoration.clean": _towards(answers, answers.clean, "clean", missing)}


def _towards(answers: ComparedAnswers, full: Sequence[JudgedAnswer], name: str, missing: str) -> Value:
    """What the arm has of the way from the corrupted model to the one that full restoration means."""
    if missing:
        return Value(value=None, n=0, note=missing)
    models = [of_group(asked, Group.TEST) for asked in (answers.arm, answers.corrupted, full)]
    return gained(
        paired(models, SCORE),
        least=SMALLEST_GAP,
        flat=not_bitten(name),
        shares=True,
        note=missing_verdicts(models[0]),
        certain=answers.arm is answers.corrupted or answers.arm is full,
    )
