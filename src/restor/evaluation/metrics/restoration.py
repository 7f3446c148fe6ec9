"""Restoration: how much of what the corruption took is back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.metrics.base import (
    Answers,
    Floats,
    Metric,
    entity_sums,
    interval,
    judged,
    missing_verdicts,
    of_group,
    per_fact,
)
from restor.results import Figure, Value
from restor.types import Group, Judgement

SMALLEST_GAP = 0.05
"""Below this difference of ideal and corrupted accuracy the corruption did not bite."""


@final
class Restoration(Metric):
    """(acc(arm) - acc(corrupted)) / (acc(ideal) - acc(corrupted)), test targets.

    1 is what the matched counterfactual knows, 0 the corrupted model; below 0 the arm made it worse. Without an ideal
    model the clean one takes its place, as in the published study. Each bootstrap draw takes the same entities for all
    three models. Facts that are unscored for any of the three are left out.
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
        arm = of_group(answers.arm, Group.TEST)
        corrupted = of_group(answers.corrupted, Group.TEST)
        top_name = "ideal" if answers.ideal else "clean"
        top = of_group(answers.ideal or answers.clean, Group.TEST)
        if missing := _missing(answers):
            return {"restoration": Value(value=None, n=0, note=missing)}
        models = [per_fact(asked, judged(Judgement.ORIGINAL)) for asked in (arm, corrupted, top)]
        if not models[0].keys() == models[1].keys() == models[2].keys():
            raise ValueError(f"arms asked different facts: {', '.join(str(len(model)) for model in models)}")
        rows = [(fact[0], [model[fact] for model in models]) for fact in models[0]]
        kept = [(entity, [x for x in values if x is not None]) for entity, values in rows if None not in values]
        unscored = len(rows) - len(kept)
        if not kept:
            return {"restoration": Value(value=None, n=0, n_unscored=unscored, note="no scored facts")}
        a, b, d = (
            entity_sums([entity for entity, _ in kept], np.array([values[k] for _, values in kept]))[0]
            for k in range(3)
        )
        u, c, i = (float(part.sum()) / len(kept) for part in (a, b, d))
        value: float | None = None
        low: float | None = None
        high: float | None = None
        if i - c < SMALLEST_GAP:
            note = f"undefined: the corruption did not bite ({top_name} {100 * i:.0f} %, corrupted {100 * c:.0f} %)"
        else:
            value = (u - c) / (i - c)
            note = missing_verdicts(arm)

            def ratio(drawn: NDArray[np.intp]) -> Floats:
                gap = d[drawn].sum(axis=1) - b[drawn].sum(axis=1)
                gained = a[drawn].sum(axis=1) - b[drawn].sum(axis=1)
                return np.where(gap > 0, gained / np.where(gap > 0, gap, 1.0), np.nan)

            low, high = interval(ratio, len(a))
        return {
            "restoration": Value(
                value=value,
                ci_low=low,
                ci_high=high,
                n=len(kept),
                n_entities=len(a),
                n_unscored=unscored,
                note=note,
            )
        }


def _missing(answers: Answers) -> str:
    lacking = [] if answers.corrupted else ["a corrupted model (--model corrupted=...)"]
    if not answers.ideal and not answers.clean:
        lacking.append("a clean or an ideal one (--model clean=...)")
    return f"restoration needs {' and '.join(lacking)}" if lacking else ""
