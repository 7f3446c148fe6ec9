"""Means, shares, differences and restoration, each with its interval over entities and seeds.

Which interval was decided by simulation (`benchmarks/interval_coverage.py`): quantiles of bootstrap draws hold the true
value too rarely with few entities or seeds, corrected ones (BCa) hardly less so. Student's t on the jackknife's
standard error holds it about as often as it says, and for a share near 0 or 1 the same on the scale of log odds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.statistics.bootstrap import Draws, bca, percentile
from restor.evaluation.statistics.clusters import Clusters, Floats
from restor.evaluation.statistics.contrast import DIFFERENCE, MEAN, RESTORATION, RESTORATION_ABOVE, Contrast
from restor.evaluation.statistics.distributions import t_quantile
from restor.evaluation.statistics.jackknife import left_out, spread

Values: TypeAlias = Sequence[float] | Floats
"""One per fact, NaN where there is none."""

Method: TypeAlias = Literal["t", "percentile", "bca"]

SMALLEST_GAP = 0.05
"""Below this difference of ideal and corrupted accuracy the corruption did not bite."""


@final
@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval. What is undefined is None, and `note` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    error: float | None = None
    """Standard error."""
    df: float | None = None
    """Degrees of freedom of Student's t that go with it."""
    level: float = 0.95
    method: str = ""
    n: int = 0
    """Facts it is computed from."""
    n_entities: int = 0
    n_seeds: int = 0
    n_unscored: int = 0
    """Facts that lack a value for any of what is compared."""
    unit: float | None = None
    """For differences of shares: what one unit of the figure is as a share of facts; 1, or the gap of a ratio."""
    design_effect: float = 1.0
    """By how much the variance exceeds that of independent facts; at least 1."""
    note: str = ""


def share(values: Values, clusters: Clusters, *, level: float = 0.95) -> Estimate:
    """The share of facts with value 1; a fact asked several times may have any value between 0 and 1.

    The interval is one of Student's t for log(p / (1 - p)), with the error divided by p (1 - p) (delta method), so that
    it keeps within 0 and 1 and holds near them, where an interval of equal arms does not. The error is at least that of
    one fact. Where fewer than one fact is wrong, or right, the interval reaches to the end, and on the other side as
    far as with one.
    """
    kept, part, unscored = _complete([values], clusters)
    base = _base(part, unscored, level)
    if not part.n_facts:
        return base
    if kept.min() < 0 or kept.max() > 1:
        raise ValueError(
            f"a share is of values between 0 and 1, given {kept.min():.3g} to {kept.max():.3g}: use mean()"
        )
    totals = part.totals(kept)
    p = float(MEAN(totals.sum(axis=0)))
    found = spread(totals, MEAN, part)
    if isinstance(found, str):
        return replace(base, value=p, note=f"no interval: {found}")
    one = 1 / part.n_facts
    error = max(found.error, one)
    base = replace(base, value=p, error=error, df=found.df, method="logit t", note=_one_seed(part))
    if part.n_facts < 3:
        return replace(base, low=0.0, high=1.0)
    inner = min(max(p, one), 1 - one)
    reach = t_quantile((1 + level) / 2, found.df) * error / (inner * (1 - inner))
    middle = math.log(inner / (1 - inner))
    return replace(
        base,
        low=0.0 if p < one else _logistic(middle - reach),
        high=1.0 if p > 1 - one else _logistic(middle + reach),
    )


def mean(
    values: Values, clusters: Clusters, *, level: float = 0.95, method: Method = "t", draws: Draws | None = None
) -> Estimate:
    """The mean over facts of any figure, such as a log-prob; for shares `share` is better.

    `draws` may be shared by all figures of the same facts; it is used only if no fact lacks a value.
    """
    return _estimate([values], clusters, MEAN, level, method, draws, unit=None)


def difference(
    arm: Values,
    other: Values,
    clusters: Clusters,
    *,
    shares: bool,
    level: float = 0.95,
    method: Method = "t",
    draws: Draws | None = None,
) -> Estimate:
    """The mean of arm - other, paired per fact.

    Of `shares` (values between 0 and 1) the standard error is at least that of one fact, so that two arms that agree
    on every fact still have an interval. Of other figures there is none then.
    """
    return _estimate([arm, other], clusters, DIFFERENCE, level, method, draws, unit=1.0 if shares else None)


def restoration(
    arm: Values,
    corrupted: Values,
    ideal: Values,
    clusters: Clusters,
    *,
    level: float = 0.95,
    method: Method = "t",
    draws: Draws | None = None,
) -> Estimate:
    """(arm - corrupted) / (ideal - corrupted), of accuracies on the same facts.

    Each draw, and each entity left out, is the same for all three. The standard error is at least that of one fact.
    """
    gap = _gap(_complete([arm, corrupted, ideal], clusters)[0], RESTORATION)
    return _estimate([arm, corrupted, ideal], clusters, RESTORATION, level, method, draws, unit=gap)


def restoration_above(
    arm: Values,
    control: Values,
    corrupted: Values,
    ideal: Values,
    clusters: Clusters,
    *,
    level: float = 0.95,
    method: Method = "t",
    draws: Draws | None = None,
) -> Estimate:
    """Restoration of the arm minus that of a control: (arm - control) / (ideal - corrupted), paired per fact."""
    values = [arm, control, corrupted, ideal]
    gap = _gap(_complete(values, clusters)[0], RESTORATION_ABOVE)
    return _estimate(values, clusters, RESTORATION_ABOVE, level, method, draws, unit=gap)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def _complete(values: Sequence[Values], clusters: Clusters) -> tuple[Floats, Clusters, int]:
    """The facts that have all values, as (K, F), their clusters, and how many others there are."""
    rows = [np.asarray(row, dtype=np.float64) for row in values]
    if any(row.shape != (clusters.n_facts,) for row in rows):
        shapes = ", ".join(str(row.shape) for row in rows)
        raise ValueError(f"values of shape {shapes} for {clusters.n_facts} facts: give one per fact")
    table = np.stack(rows)
    kept: NDArray[np.bool_] = np.all(np.isfinite(table), axis=0)
    return table[:, kept], clusters.keep(kept), int((~kept).sum())


def _base(part: Clusters, unscored: int, level: float) -> Estimate:
    """An estimate without its figure; without facts it says so."""
    if not 0 < level < 1:
        raise ValueError(f"the level must lie between 0 and 1, given {level}")
    lacking = f"none of {unscored} facts has all values" if unscored else "no facts"
    return Estimate(
        value=None,
        level=level,
        n=part.n_facts,
        n_entities=part.n_entities,
        n_seeds=part.n_seeds,
        n_unscored=unscored,
        note="" if part.n_facts else lacking,
    )


def _one_seed(part: Clusters) -> str:
    return "one seed: the interval is over entities alone" if part.n_seeds == 1 else ""


def _gap(kept: Floats, contrast: Contrast) -> float:
    """The denominator as a share of facts: ideal - corrupted."""
    return float((np.array(contrast.below[:-1]) @ kept).mean()) if kept.size else 0.0


def _estimate(
    values: Sequence[Values],
    clusters: Clusters,
    contrast: Contrast,
    level: float,
    method: Method,
    draws: Draws | None,
    *,
    unit: float | None,
) -> Estimate:
    kept, part, unscored = _complete(values, clusters)
    base = replace(_base(part, unscored, level), unit=unit)
    if not part.n_facts:
        return base
    if unit is not None and unit < SMALLEST_GAP:
        corrupted, ideal = (100 * float(row.mean()) for row in kept[-2:])
        bite = f"ideal or clean {ideal:.0f} %, corrupted {corrupted:.0f} %"
        return replace(base, note=f"undefined: the corruption did not bite ({bite})")
    totals = part.totals(kept)
    value = float(contrast(totals.sum(axis=0)))
    base = replace(base, value=value)
    found = spread(totals, contrast, part)
    if isinstance(found, str):
        return replace(base, note=f"no interval: {found}")
    error = found.error if unit is None else max(found.error, 1 / (part.n_facts * unit))
    if not error:
        return replace(base, note="no interval: all entities are alike")
    independent = float(contrast.influence(kept).var()) / part.n_facts
    base = replace(
        base,
        error=error,
        df=found.df,
        method=method,
        design_effect=max(1.0, found.error**2 / independent) if independent > 0 else 1.0,
        note=_one_seed(part),
    )
    if method == "t" or found.error < error:
        reach = t_quantile((1 + level) / 2, found.df) * error
        return replace(base, method="t", low=value - reach, high=value + reach)
    shared = draws if draws is not None and part is clusters else Draws(part)
    drawn = contrast(shared.sums(totals))
    finite = drawn[np.isfinite(drawn)]
    if len(finite) < len(drawn) // 2:
        return replace(base, note="no interval: undefined in most draws of entities")
    if method == "percentile":
        low, high = percentile(finite, level)
        return replace(base, low=low, high=high)
    pair = bca(finite, value, left_out(totals, contrast, np.arange(part.n_cells)), level)
    if pair is None:
        return replace(base, note="no interval: too few different draws for BCa")
    return replace(base, low=pair[0], high=pair[1])
