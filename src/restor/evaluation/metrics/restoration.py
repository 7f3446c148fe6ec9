"""Restoration: how much of what the corruption took is back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.metrics.base import Answers, Floats, Metric, Scored, entity_sums, interval, of_group
from restor.results import Value
from restor.types import Group, Judgement

SMALLEST_GAP = 0.05
"""Below this difference of ideal and corrupted accuracy the corruption did not bite."""


@final
class Restoration(Metric):
    """(acc(arm) - acc(corrupted)) / (acc(ideal) - acc(corrupted)), test targets.

    1 is what the matched counterfactual knows, 0 the corrupted model; below 0 the arm made it worse. Each bootstrap
    draw takes the same entities for all three models. Facts that are unscored for any of the three are left out.
    """

    names: ClassVar[tuple[str, ...]] = ("restoration",)

    def compute(self, answers: Answers) -> Mapping[str, Value]:
        """The ratio, or why there is none."""
        arm, corrupted, ideal = (of_group(part, Group.TEST) for part in (answers.arm, answers.corrupted, answers.ideal))
        if not len(arm) == len(corrupted) == len(ideal):
            raise ValueError(f"arms asked different facts: {len(arm)}, {len(corrupted)}, {len(ideal)}")
        kept = [row for row in zip(arm, corrupted, ideal, strict=True) if not _unscored(row)]
        unscored = len(arm) - len(kept)
        if not kept:
            return {"restoration": Value(value=None, n=0, n_unscored=unscored, note="no scored facts")}
        entities = [row[0].entity for row in kept]
        sums = [
            entity_sums(entities, np.array([float(row[k].judgement is Judgement.ORIGINAL) for row in kept]))[0]
            for k in range(3)
        ]
        u, c, i = (float(part.sum()) / len(kept) for part in sums)
        value: float | None = None
        low: float | None = None
        high: float | None = None
        note = ""
        if i - c < SMALLEST_GAP:
            note = f"undefined: the corruption did not bite (ideal {100 * i:.0f} %, corrupted {100 * c:.0f} %)"
        else:
            value = (u - c) / (i - c)
            a, b, d = sums

            def ratio(rows: NDArray[np.intp]) -> Floats:
                gap = d[rows].sum(axis=1) - b[rows].sum(axis=1)
                gained = a[rows].sum(axis=1) - b[rows].sum(axis=1)
                return np.where(gap > 0, gained / np.where(gap > 0, gap, 1.0), np.nan)

            low, high = interval(ratio, len(a))
        return {
            "restoration": Value(
                value=value,
                ci_low=low,
                ci_high=high,
                n=len(kept),
                n_entities=len(sums[0]),
                n_unscored=unscored,
                note=note,
            )
        }


def _unscored(row: Sequence[Scored]) -> bool:
    return any(item.judgement is Judgement.UNSCORED for item in row)
