"""Whether a figure equals a reference but for a margin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from restor.evaluation.statistics.distributions import t_above, t_quantile
from restor.evaluation.statistics.estimates import Estimate


@final
@dataclass(frozen=True, slots=True)
class Equivalence:
    """Two one-sided tests. What is undefined is None, and `note` says why."""

    equivalent: bool | None
    margin: float
    reference: float
    alpha: float
    p_above: float | None = None
    """Of "the figure lies at or below reference - margin"."""
    p_below: float | None = None
    """Of "the figure lies at or above reference + margin"."""
    low: float | None = None
    high: float | None = None
    """The interval of level 1 - 2 alpha: equivalent where it lies within the margin."""
    note: str = ""

    @property
    def p(self) -> float | None:
        """The larger of the two: the one that a table corrects and shows."""
        return None if self.p_above is None or self.p_below is None else max(self.p_above, self.p_below)


def equivalence(figure: Estimate, margin: float, *, reference: float = 0.0, alpha: float = 0.05) -> Equivalence:
    """Two one-sided tests on Student's t (Schuirmann 1987, A comparison of the two one-sided tests procedure and the
    power approach for assessing the equivalence of average bioavailability, J. Pharmacokin. Biopharm. 15).

    p_above = P(T > (value - reference + margin) / error), p_below = P(T > (reference + margin - value) / error).
    Equivalent where both are below alpha, which is where value -+ t(1 - alpha) error lies within the margin.

    Differences of shares near 0 or 1 vary little when they happen to be small, and a plain test concludes too soon. A
    true difference of `margin` needs that share of facts to differ, so the error is at least
    sqrt(margin (1 - margin) / facts x design effect): the variance under the hypothesis, as in a score test.

    Args:
        figure: such as `difference(arm, ideal, clusters, shares=True)` with reference 0, or `restoration(...)` with
            reference 1.
        margin: the largest difference that does not matter, in the unit of the figure.
        reference: what the figure should equal.
        alpha: of each of the two tests.
    """
    if not 0 < margin < float("inf"):
        raise ValueError(f"the margin must be positive, given {margin}")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, given {alpha}")
    if figure.value is None or not figure.error or figure.df is None:
        note = figure.note or "the figure has no standard error"
        return Equivalence(equivalent=None, margin=margin, reference=reference, alpha=alpha, note=note)
    away, error = figure.value - reference, figure.error
    if figure.unit is not None:
        share = min(0.5, margin * figure.unit)
        error = max(error, math.sqrt(share * (1 - share) / figure.n * figure.design_effect) / figure.unit)
    above = t_above((margin + away) / error, figure.df)
    below = t_above((margin - away) / error, figure.df)
    reach = t_quantile(1 - alpha, figure.df) * error
    return Equivalence(
        equivalent=max(above, below) < alpha,
        margin=margin,
        reference=reference,
        alpha=alpha,
        p_above=above,
        p_below=below,
        low=figure.value - reach,
        high=figure.value + reach,
        note=figure.note,
    )
