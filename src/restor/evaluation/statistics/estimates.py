"""Means, shares, differences and ratios, each with its interval over entities and seeds.

Which interval was decided by simulation (`benchmarks/interval_coverage.py`): quantiles of bootstrap draws hold the true
value too rarely with few entities or seeds. Student's t on the jackknife's standard error holds it about as often as it
says, and for a share near 0 or 1 the same on the scale of log odds. Few facts that differ make that error too small
just where the figure is best, so one more fact is added to it, as large as facts about one entity hang together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.statistics.clusters import Clusters, Floats
from restor.evaluation.statistics.contrast import DIFFERENCE, MEAN, RATIO, RESTORATION, RESTORATION_ABOVE, Contrast
from restor.evaluation.statistics.distributions import t_quantile
from restor.evaluation.statistics.jackknife import Statistic, design_effect, spread

Values: TypeAlias = Sequence[float] | Floats
"""One per fact, NaN where there is none."""

SMALLEST_GAP = 0.05
"""Below this difference of ideal and corrupted accuracy the corruption did not bite."""
LEVEL = 0.95


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
    n: int = 0
    """Facts it is computed from."""
    n_entities: int = 0
    n_seeds: int = 0
    n_unscored: int = 0
    """Facts that lack a value for any of what is compared."""
    note: str = ""


def share(values: Values, clusters: Clusters) -> Estimate:
    """The share of facts with value 1; a fact asked several times may have any value between 0 and 1.

    The interval is one of Student's t for log odds, so that it keeps within 0 and 1. Half a fact on either side is
    added, as in the adjusted interval of Agresti and Coull (1998, Approximate is better than "exact" for interval
    estimation of binomial proportions, Am. Stat. 52), counted as often as facts about one entity repeat each other:
    q = (p + d / 2n) / (1 + d / n), with the design effect d. The variance is scaled by q (1 - q) / (p (1 - p)). Of one
    seed it is at least that of independent facts, and where nothing varies it is theirs, q (1 - q) / n.
    """
    kept, part, unscored = _complete([values], clusters)
    base = _base(part, unscored)
    if not part.n_facts:
        return base
    if kept.min() < 0 or kept.max() > 1:
        raise ValueError(
            f"a share is of values between 0 and 1, given {kept.min():.3g} to {kept.max():.3g}: use mean()"
        )
    totals, n = part.totals(kept), part.n_facts
    p = float(MEAN(totals.sum(axis=0)))
    interval = spread(totals, MEAN, part)
    if isinstance(interval, str):
        return replace(base, value=p, note=f"no interval: {interval}")
    independent = float(kept.var()) / n
    added = design_effect(totals, MEAN, part, independent) / n
    # all right says no more than all but one, and at least as much
    inner = min(max(p, 1 / n), 1 - 1 / n)
    q = (inner + added / 2) / (1 + added)
    # of one seed, entities differ at least by chance; few seeds may seem not to, and their t is wide enough
    variance = max(interval.error**2, independent) if part.n_seeds == 1 else interval.error**2
    error = math.sqrt(q * (1 - q) * (variance / (inner * (1 - inner)) if variance else 1 / n))
    low, high = _log_odds(q, error, interval.df)
    return replace(base, value=p, low=min(p, low), high=max(p, high), error=error, df=interval.df)


def mean(values: Values, clusters: Clusters) -> Estimate:
    """The mean over facts of any figure, such as a log-prob; for shares `share` is better."""
    return _estimate([values], clusters, MEAN, unit=None)


def difference(arm: Values, other: Values, clusters: Clusters, *, shares: bool) -> Estimate:
    """The mean of arm - other, paired per fact.

    Of `shares` (values between 0 and 1) two arms that agree on every fact still have an interval, that of one fact. Of
    other figures there is none then.
    """
    return _estimate([arm, other], clusters, DIFFERENCE, unit=1.0 if shares else None)


def ratio(above: Values, below: Values, clusters: Clusters) -> Estimate:
    """How many of the one for each of the other, shares both; never below 0."""
    kept = _complete([above, below], clusters)[0]
    estimate = _estimate([above, below], clusters, RATIO, unit=float(kept[1].mean()) if kept.size else 1.0)
    return estimate if estimate.low is None else replace(estimate, low=max(0.0, estimate.low))


def part_of(totals: Floats, statistic: Statistic, clusters: Clusters, least: float = 0.0) -> Estimate:
    """Any figure between 0 and 1 from the totals of cells, by Student's t for log odds.

    `least` is what one fact would change in it: where nothing varies, the error is that of so many independent facts.
    """
    base = _base(clusters, 0)
    p = float(statistic(totals.sum(axis=0)))
    interval = spread(totals, statistic, clusters)
    if isinstance(interval, str):
        return replace(base, value=p, note=f"no interval: {interval}")
    inner = min(max(p, least / 2), 1 - least / 2)
    error = interval.error or math.sqrt(inner * (1 - inner) * least)
    if not error or not 0 < inner < 1:
        return replace(base, value=p, note=NO_SPREAD)
    low, high = _log_odds(inner, error, interval.df)
    return replace(base, value=p, low=min(p, low), high=max(p, high), error=error, df=interval.df)


def of_totals(totals: Floats, statistic: Statistic, clusters: Clusters) -> Estimate:
    """Any figure from the totals of cells, by Student's t."""
    base = replace(_base(clusters, 0), value=float(statistic(totals.sum(axis=0))))
    interval = spread(totals, statistic, clusters)
    if isinstance(interval, str):
        return replace(base, note=f"no interval: {interval}")
    return _around(base, interval.error, interval.df)


def restoration(arm: Values, corrupted: Values, ideal: Values, clusters: Clusters) -> Estimate:
    """(arm - corrupted) / (ideal - corrupted), of accuracies on the same facts.

    Each entity left out is the same for all three.
    """
    return _restored([arm, corrupted, ideal], clusters, RESTORATION)


def restored_mean(arm: Values, corrupted: Values, ideal: Values, clusters: Clusters) -> Estimate:
    """The same of means of any figure, such as a log-prob. Whether the denominator is large enough is up to the
    caller."""
    return _estimate([arm, corrupted, ideal], clusters, RESTORATION, unit=None)


def restoration_above(arm: Values, control: Values, corrupted: Values, ideal: Values, clusters: Clusters) -> Estimate:
    """Restoration of the arm minus that of a control: (arm - control) / (ideal - corrupted), paired per fact."""
    return _restored([arm, control, corrupted, ideal], clusters, RESTORATION_ABOVE)


def restoration_above_all(
    arm: Values, controls: Sequence[Values], corrupted: Values, ideal: Values, clusters: Clusters
) -> Estimate:
    """Restoration of the arm minus that of the best control, whichever that truly is; see `above_all`."""
    return above_all([restoration_above(arm, each, corrupted, ideal, clusters) for each in controls])


def above_all(estimates: Sequence[Estimate]) -> Estimate:
    """Of what an arm restores above each control: what it restores above the best one, whichever that truly is.

    An arm is above every control where it is above each. So the lower end is the lowest of the lower ends for single
    controls, without any correction (intersection-union test: Berger 1982, Multiparameter hypothesis testing and
    acceptance sampling, Technometrics 24). The best control may be any whose interval reaches below all upper ends. The
    upper end is the lowest of theirs, each at 0.025 / their number, as the lowest of many is too low by luck.
    """
    best = min(estimates, key=lambda each: math.inf if each.value is None else each.value)
    lows = [each.low for each in estimates if each.low is not None]
    highs = [each.high for each in estimates if each.high is not None]
    if len(lows) < len(estimates):
        note = next((each.note for each in estimates if each.low is None), "")
        return replace(best, low=None, high=None, error=None, df=None, note=note)
    near = [each for each, low in zip(estimates, lows, strict=True) if low <= min(highs)]
    return replace(best, low=min(lows), high=min(_high(each, (1 - LEVEL) / 2 / len(near)) for each in near))


def _high(estimates: Estimate, tail: float) -> float:
    value, error, df = estimates.value or 0.0, estimates.error or 0.0, estimates.df or 1.0
    return value + t_quantile(1 - tail, df) * error


NO_SPREAD = "no interval: all entities are alike"


def _log_odds(p: float, error: float, df: float) -> tuple[float, float]:
    """log(p / (1 - p)) -+ t error / (p (1 - p)), as shares."""
    reach = t_quantile((1 + LEVEL) / 2, df) * error / (p * (1 - p))
    middle = math.log(p / (1 - p))
    return _logistic(middle - reach), _logistic(middle + reach)


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


def _base(part: Clusters, unscored: int) -> Estimate:
    """An estimate without its figure; without facts it says so."""
    lacking = f"none of {unscored} facts has all values" if unscored else "no facts"
    return Estimate(
        value=None,
        n=part.n_facts,
        n_entities=part.n_entities,
        n_seeds=part.n_seeds,
        n_unscored=unscored,
        note="" if part.n_facts else lacking,
    )


def _restored(values: Sequence[Values], clusters: Clusters, contrast: Contrast) -> Estimate:
    kept, part, unscored = _complete(values, clusters)
    gap = float((np.array(contrast.below[:-1]) @ kept).mean()) if kept.size else 1.0
    if gap < SMALLEST_GAP:
        corrupted, ideal = (100 * float(row.mean()) for row in kept[-2:])
        bite = f"ideal or clean {ideal:.0f} %, corrupted {corrupted:.0f} %"
        return replace(_base(part, unscored), note=f"undefined: the corruption did not bite ({bite})")
    return _estimate(values, clusters, contrast, unit=gap)


def _estimate(values: Sequence[Values], clusters: Clusters, contrast: Contrast, *, unit: float | None) -> Estimate:
    """`unit` is, for shares, what 1 of the figure is as a share of facts; one more fact then is in the error."""
    kept, part, unscored = _complete(values, clusters)
    base = _base(part, unscored)
    if not part.n_facts:
        return base
    totals = part.totals(kept)
    base = replace(base, value=float(contrast(totals.sum(axis=0))))
    interval = spread(totals, contrast, part)
    if isinstance(interval, str):
        return replace(base, note=f"no interval: {interval}")
    error = interval.error
    if unit is not None:
        independent = float(contrast.influence(kept).var()) / part.n_facts
        effect = design_effect(totals, contrast, part, independent)
        error = math.hypot(error, effect / (part.n_facts * unit))
    return _around(base, error, interval.df)


def _around(base: Estimate, error: float, df: float) -> Estimate:
    """The interval of Student's t."""
    if base.value is None or not error:
        return replace(base, note=NO_SPREAD)
    reach = t_quantile((1 + LEVEL) / 2, df) * error
    return replace(base, error=error, df=df, low=base.value - reach, high=base.value + reach)
