"""How many entities or facts would be needed, from how much entities differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from restor.evaluation.statistics.clusters import Clusters, Floats
from restor.evaluation.statistics.distributions import t_above, t_quantile
from restor.evaluation.statistics.estimates import LEVEL, Estimate
from restor.results import Needed

MOST = 10**7
"""More entities than this nobody has."""
POWER = 0.8
"""The usual chance to find what is there."""

Enough: TypeAlias = Callable[[float, int], bool]
"""Whether a standard error with so many units is small enough; it stays so with a smaller error."""


@final
@dataclass(frozen=True, slots=True)
class Components:
    """How facts vary: between entities, and between the facts of one."""

    between: float
    within: float
    n_facts: int
    n_entities: int

    def error(self, n_entities: float, facts_per_entity: float) -> float:
        """The standard error of a mean: sqrt((between + within / facts) / entities)."""
        return math.sqrt((self.between + self.within / facts_per_entity) / n_entities)


def components(values: Sequence[float] | Floats, clusters: Clusters) -> Components | None:
    """Between and within variance from the mean squares of a one-way analysis of variance; none with fewer
    than two entities.

    within = MSW; between = max(0, (MSB - MSW) / m), m = (N - sum m_i^2 / N) / (E - 1) (Searle, Casella and McCulloch
    1992, Variance Components, chapter 3). Where each entity has one fact, all variance counts as between.

    Entities of all seeds count alike. For a difference give arm - other per fact, for restoration
    `RESTORATION.influence(...)`.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.shape != (clusters.n_facts,):
        raise ValueError(f"values of shape {x.shape} for {clusters.n_facts} facts: give one per fact")
    kept = np.isfinite(x)
    x, entity = x[kept], clusters.entity[clusters.cell][kept]
    _, entity, sizes = np.unique(entity, return_inverse=True, return_counts=True)
    n, groups = len(x), len(sizes)
    if groups < 2:
        return None
    means = np.bincount(entity, weights=x) / sizes
    square_between = float((sizes * (means - x.mean()) ** 2).sum()) / (groups - 1)
    typical = (n - float((sizes**2).sum()) / n) / (groups - 1)
    within = float(((x - means[entity]) ** 2).sum()) / (n - groups) if n > groups else 0.0
    between = max(0.0, (square_between - within) / typical)
    return Components(between=between, within=within, n_facts=n, n_entities=groups)


def needed_for_width(values: Sequence[float] | Floats, clusters: Clusters, half_width: float) -> Needed:
    """For a 95 % interval of value -+ half_width: t x error <= half_width, t with entities - 1 degrees of freedom."""
    return _needed(values, clusters, _narrow(half_width))


def needed_for_margin(
    values: Sequence[float] | Floats, clusters: Clusters, away: float, error: float, *, alpha: float
) -> Needed:
    """To show a value above an edge with a power of 0.8, if it truly is as far `away` from it as it seems.

    Power of a one-sided test: P(T < away / error - t) with t at 1 - alpha (Chow, Shao and Wang 2008, Sample Size
    Calculations in Clinical Research, chapter 3, with Student's t for the normal). `error` is that of the test with the
    facts that there are; how it shrinks follows from how the values vary.
    """
    if away <= 0:
        return Needed()
    return _needed(values, clusters, _powerful(away, alpha), error)


def seeds_for_width(figure: Estimate, half_width: float) -> int | None:
    """How many seeds, each with as many entities of its own, for an interval of value -+ half_width.

    None for a figure of one seed, or of seeds that share entities: nothing says how seeds alone differ.
    """
    return _seeds(figure, _narrow(half_width))


def seeds_for_margin(figure: Estimate, away: float, *, alpha: float) -> int | None:
    """How many seeds, each with as many entities of its own, to show it with a power of 0.8; None as above."""
    return _seeds(figure, _powerful(away, alpha)) if away > 0 else None


def _narrow(half_width: float) -> Enough:
    if not half_width > 0:
        raise ValueError(f"the half-width must be positive, given {half_width}")
    return lambda error, units: t_quantile((1 + LEVEL) / 2, units - 1) * error <= half_width


def _powerful(away: float, alpha: float) -> Enough:
    def enough(error: float, units: int) -> bool:
        return t_above(away / error - t_quantile(1 - alpha, units - 1), units - 1) <= 1 - POWER

    return enough


def _seeds(figure: Estimate, enough: Enough) -> int | None:
    have = figure.n_seeds
    if have < 2 or not figure.error or figure.df != have - 1:
        return None
    error = figure.error
    return _smallest(lambda n: enough(error * math.sqrt(have / n), n), 2)


def _needed(values: Sequence[float] | Floats, clusters: Clusters, enough: Enough, error: float | None = None) -> Needed:
    """`error` is the one now, where it is not just that of the values."""
    parts = components(values, clusters)
    if parts is None or not parts.between + parts.within > 1e-20:
        return Needed()
    have, per_entity = parts.n_entities, parts.n_facts / parts.n_entities
    more = 1.0 if error is None else error / parts.error(have, per_entity)
    return Needed(
        entities=_smallest(lambda n: enough(more * parts.error(n, per_entity), n), 2),
        facts_per_entity=_smallest(lambda m: enough(more * parts.error(have, m), have), 1),
    )


def _smallest(enough: Callable[[int], bool], first: int) -> int | None:
    """The smallest number from `first` on that is enough, by doubling and halving."""
    high = first
    while not enough(high):
        high *= 2
        if high > MOST:
            return None
    low = max(first - 1, high // 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def smallest_p(entities: int) -> float:
    """The smallest p that a paired test can have with so many entities: all of them differ alike (two-sided)."""
    return min(1.0, 2.0 ** (1 - entities))  # 0 for thousands, where the other way around is no number


def smallest_difference(entities: int, facts_per_entity: float) -> float:
    """The smallest difference between two shares of right answers that so many entities show with a power of 0.8.

    At the best: each fact for itself, and all that differ in one direction, so that a difference d varies by d (1 - d)
    among facts and the standard error is sqrt(d (1 - d) / facts). Shown is what a 95 % interval with entities - 1
    degrees of freedom does not reach over: d / error >= t(0.975) + t(0.8), which is solved for d.
    """
    if entities < 2:
        return 1.0
    reach = t_quantile((1 + LEVEL) / 2, entities - 1) + t_quantile(POWER, entities - 1)
    ratio = reach**2 / (entities * facts_per_entity)
    return ratio / (1 + ratio)
