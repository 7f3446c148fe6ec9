"""Residual corruption: how much of what was planted is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.metrics.base import (
    NO_PLANTED,
    Answers,
    Floats,
    Metric,
    interval,
    judged,
    needs,
    of_group,
    paired,
)
from restor.evaluation.statistics.estimates import SMALLEST_GAP
from restor.results import STORED_ONLY, Figure, Value
from restor.types import Group, Judgement


@final
class Residual(Metric):
    """Planted answers of the arm for each one of the corrupted model, test facts whose planted answer is known.

    0 is none left, 1 as many as before, above 1 more. It counts answers, not facts: one planted answer gone and another
    one come is no change. The share among all test facts is `test.planted`. Facts that are unscored for either model
    are left out. Undefined where the corrupted model hardly gives planted answers.
    """

    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            name="residual",
            title="Residual % [95 %]",
            short="Residual\n% [95 %]",
            meaning="planted answers of the arm for each one of the corrupted model, targeted test facts; 0 is none "
            "left",
            unit="ratio",
            rank=STORED_ONLY,
        ),
    )

    def compute(self, answers: Answers) -> Mapping[str, Value]:
        """The ratio, or why there is none."""
        return {"residual": self._value(answers)}

    def _value(self, answers: Answers) -> Value:
        if missing := needs("residual corruption", answers, "corrupted"):
            return Value(value=None, n=0, note=missing)
        asked = of_group(answers.arm, Group.TEST)
        known = {item.fact for item in asked if item.planted}
        if not known:
            return Value(value=None, n=0, note=NO_PLANTED if asked else "no facts")
        models = [
            [item for item in model if item.group is Group.TEST and item.fact in known]
            for model in (answers.arm, answers.corrupted)
        ]
        pairs = paired(models, judged(Judgement.PLANTED))
        if not pairs.facts:
            return Value(value=None, n=0, n_unscored=pairs.unscored, note="no scored facts")
        (left, before), (own, former) = pairs.means, pairs.sums()
        about = Value(value=None, n=len(pairs.facts), n_entities=len(own), n_unscored=pairs.unscored)
        if before < SMALLEST_GAP:
            note = f"undefined: the corrupted model hardly gives planted answers ({100 * before:.0f} %)"
            return about.model_copy(update={"note": note})

        def ratio(drawn: NDArray[np.intp]) -> Floats:
            base = former[drawn].sum(axis=1)
            return np.where(base > 0, own[drawn].sum(axis=1) / np.where(base > 0, base, 1.0), np.nan)

        low, high = interval(ratio, len(own))
        return about.model_copy(update={"value": left / before, "ci_low": low, "ci_high": high})
