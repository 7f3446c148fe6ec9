"""Restoration: how much of what the corruption took is back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from restor.evaluation.metrics.base import (
    Answers,
    Metric,
    gained,
    judged,
    missing_verdicts,
    needs,
    not_bitten,
    of_group,
    paired,
)
from restor.evaluation.statistics.estimates import SMALLEST_GAP
from restor.results import Figure, Value
from restor.types import Group, Judgement


@final
class Restoration(Metric):
    """(acc(arm) - acc(corrupted)) / (acc(ideal) - acc(corrupted)), test targets.

    1 is what the matched counterfactual knows, 0 the corrupted model; below 0 the arm made it worse. Without an ideal
    model the clean one takes its place, as in the published study. The interval takes the same entities for all three
    models. Facts that are unscored for any of the three are left out. The corrupted model itself is at 0 and the ideal
    one at 1 by definition.
    """

    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            name="restoration",
            title="Restoration % [95 %]",
            short="Restoration\n% [95 %]",
            meaning="(arm - corrupted) / (ideal - corrupted), of test.original; 1 is full restoration; where there is "
            "no ideal model, the clean one takes its place",
            unit="ratio",
            rank=0,
        ),
    )

    def compute(self, answers: Answers) -> Mapping[str, Value]:
        """The ratio, or why there is none."""
        if missing := needs("restoration", answers, "corrupted", "top"):
            return {"restoration": Value(value=None, n=0, note=missing)}
        models = [of_group(asked, Group.TEST) for asked in (answers.arm, answers.corrupted, answers.top)]
        pairs = paired(models, judged(Judgement.ORIGINAL))
        note = missing_verdicts(models[0])
        certain = answers.by_definition is not None
        flat = not_bitten(answers.top_name)
        value = gained(pairs, least=SMALLEST_GAP, flat=flat, shares=True, note=note, certain=certain)
        return {"restoration": value}
