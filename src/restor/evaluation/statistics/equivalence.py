"""Whether an arm is as good as the ideal model but for a margin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.statistics.clusters import Clusters, Floats
from restor.evaluation.statistics.contrast import MEAN, Contrast
from restor.evaluation.statistics.distributions import t_above
from restor.evaluation.statistics.jackknife import spread


@final
@dataclass(frozen=True, slots=True)
class Equivalence:
    """Two one-sided tests; None where there is none, as with one entity or without anything to restore."""

    p_above: float | None = None
    """Of "restoration is at or below 1 - margin"."""
    p_below: float | None = None
    """Of "restoration is at or above 1 + margin"."""
    error: float | None = None
    """The standard error of restoration in the first of them."""

    @property
    def p(self) -> float | None:
        """The larger of the two: the one that a table shows."""
        return None if self.p_above is None or self.p_below is None else max(self.p_above, self.p_below)


def equivalence(arm: Floats, corrupted: Floats, ideal: Floats, clusters: Clusters, margin: float) -> Equivalence:
    """Two one-sided tests on Student's t, of restoration against 1 - margin and against 1 + margin (Schuirmann 1987, A
    comparison of the two one-sided tests procedure and the power approach for assessing the equivalence of average
    bioavailability, J. Pharmacokin. Biopharm. 15).

    Under the first hypothesis arm - corrupted - (1 - margin) (ideal - corrupted) is 0, a plain mean over facts, whose
    error is the jackknife's. But an arm that happens to be right nearly everywhere also seems to vary little, and would
    pass too easily. So its own variance v counts as what it would be at the accuracy that the hypothesis says, h in
    place of a: v h (1 - h) / (a (1 - a)), as in a score test. The second hypothesis likewise.
    """
    if not 0 < margin < 1:
        raise ValueError(f"the margin must lie between 0 and 1, given {margin}")
    rows = np.stack([arm, corrupted, ideal])
    kept: NDArray[np.bool_] = np.all(np.isfinite(rows), axis=0)
    rows, part = rows[:, kept], clusters.keep(kept)
    gap = float((rows[2] - rows[1]).mean()) if rows.size else 0.0
    if not gap > 0:
        return Equivalence()
    totals = part.totals(rows)
    lower, upper = (_test(totals, part, edge) for edge in (1 - margin, 1 + margin))
    if lower is None or upper is None:
        return Equivalence()
    (below, error, df), (above, other, _) = lower, upper
    return Equivalence(p_above=t_above(below / error, df), p_below=t_above(-above / other, df), error=error / gap)


def _test(totals: Floats, clusters: Clusters, edge: float) -> tuple[float, float, float] | None:
    """How far the arm is above this restoration as a share of facts, the error of that, and its degrees of freedom."""
    away = Contrast((1, edge - 1, -edge, 0), (0, 0, 0, 1))
    distance, mean = spread(totals, away, clusters), spread(totals[:, [0, 3]], MEAN, clusters)
    if isinstance(distance, str) or isinstance(mean, str):
        return None
    arm, corrupted, ideal, n = (float(x) for x in totals.sum(axis=0))
    one = 1 / n

    def variance(right: float) -> float:
        inner = min(max(right, one), 1 - one)
        return inner * (1 - inner)

    meant = variance((corrupted + edge * (ideal - corrupted)) / n)
    more = max(0.0, meant / variance(arm / n) - 1) if n > 2 else 0.0
    error = math.sqrt(distance.error**2 + max(mean.error, one) ** 2 * more)
    return float(away(totals.sum(axis=0))), max(error, one), distance.df
