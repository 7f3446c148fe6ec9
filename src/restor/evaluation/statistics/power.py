"""How many entities or facts would be needed, from how much entities differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, final

import numpy as np

from restor.evaluation.statistics.clusters import Clusters, Floats
from restor.evaluation.statistics.distributions import t_above, t_quantile
from restor.evaluation.statistics.estimates import Estimate

MOST = 10**7
"""More entities than this nobody has."""

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

    @property
    def correlation(self) -> float:
        """Of two facts about one entity: between / (between + within)."""
        total = self.between + self.within
        return self.between / total if total else 0.0

    @property
    def design_effect(self) -> float:
        """1 + (facts per entity - 1) x correlation: by how much the variance of a mean exceeds that of independent
        facts (Kish 1965, Survey Sampling)."""
        return 1 + (self.n_facts / self.n_entities - 1) * self.correlation

    def error(self, n_entities: float, facts_per_entity: float) -> float:
        """The standard error of a mean: sqrt((between + within / facts) / entities)."""
        return math.sqrt((self.between + self.within / facts_per_entity) / n_entities)


@final
@dataclass(frozen=True, slots=True)
class Needed:
    """What would be enough. None where nothing would be, or it cannot be said: `note` says why."""

    entities: int | None
    """With as many facts per entity as there are."""
    facts_per_entity: int | None
    """About the entities that there are."""
    have_entities: int = 0
    have_facts_per_entity: float = 0.0
    note: str = ""


def components(values: Sequence[float] | Floats, clusters: Clusters) -> Components | str:
    """Between and within variance from the mean squares of a one-way analysis of variance, or why there is none.

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
    if not len(x):
        return "no facts"
    _, entity, sizes = np.unique(entity, return_inverse=True, return_counts=True)
    n, groups = len(x), len(sizes)
    if groups < 2:
        return "one entity only: nothing says how entities differ"
    means = np.bincount(entity, weights=x) / sizes
    square_between = float((sizes * (means - x.mean()) ** 2).sum()) / (groups - 1)
    typical = (n - float((sizes**2).sum()) / n) / (groups - 1)
    within = float(((x - means[entity]) ** 2).sum()) / (n - groups) if n > groups else 0.0
    between = max(0.0, (square_between - within) / typical)
    return Components(between=between, within=within, n_facts=n, n_entities=groups)


def needed_for_width(
    values: Sequence[float] | Floats, clusters: Clusters, half_width: float, *, level: float = 0.95
) -> Needed:
    """For an interval of value -+ half_width: t x error <= half_width, t with entities - 1 degrees of freedom."""
    return _needed(values, clusters, _narrow(half_width, level))


def needed_for_equivalence(
    values: Sequence[float] | Floats,
    clusters: Clusters,
    margin: float,
    *,
    expected: float = 0.0,
    power: float = 0.8,
    alpha: float = 0.05,
    shares: bool = False,
) -> Needed:
    """To show equivalence with this power, if the true distance from the reference is `expected`.

    Power of two one-sided tests: P(T < (margin - expected) / error - t) + P(T < (margin + expected) / error - t) - 1
    with t at 1 - alpha (Chow, Shao and Wang 2008, Sample Size Calculations in Clinical Research, chapter 3, with
    Student's t for the normal). Of differences of `shares` the error is at least that of `equivalence`.
    """
    enough = _powerful(margin, expected, power, alpha)
    if abs(expected) >= margin:
        return Needed(
            None, None, note=f"no number shows it: the expected distance {abs(expected):.3g} reaches the margin"
        )
    return _needed(values, clusters, enough, least=margin * (1 - margin) if shares and margin < 1 else 0.0)


def seeds_for_width(figure: Estimate, half_width: float) -> int | None:
    """How many seeds, each with as many entities of its own, for an interval of value -+ half_width.

    None for a figure of one seed, or of seeds that share entities: nothing says how seeds alone differ.
    """
    return _seeds(figure, _narrow(half_width, figure.level))


def seeds_for_equivalence(
    figure: Estimate, margin: float, *, expected: float = 0.0, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """How many seeds, each with as many entities of its own, to show equivalence with this power; None as above."""
    enough = _powerful(margin, expected, power, alpha)
    return None if abs(expected) >= margin else _seeds(figure, enough)


def _narrow(half_width: float, level: float) -> Enough:
    if not half_width > 0:
        raise ValueError(f"the half-width must be positive, given {half_width}")
    return lambda error, units: t_quantile((1 + level) / 2, units - 1) * error <= half_width


def _powerful(margin: float, expected: float, power: float, alpha: float) -> Enough:
    if not margin > 0:
        raise ValueError(f"the margin must be positive, given {margin}")

    def enough(error: float, units: int) -> bool:
        t = t_quantile(1 - alpha, units - 1)
        sides = ((margin - expected) / error - t, (margin + expected) / error - t)
        return 1 - sum(t_above(side, units - 1) for side in sides) >= power

    return enough


def _seeds(figure: Estimate, enough: Enough) -> int | None:
    have = figure.n_seeds
    if have < 2 or not figure.error or figure.df != have - 1:
        return None
    error = figure.error
    return _smallest(lambda n: enough(error * math.sqrt(have / n), n), 2)


def _needed(values: Sequence[float] | Floats, clusters: Clusters, enough: Enough, least: float = 0.0) -> Needed:
    """`least` is the least variance of a fact."""
    found = components(values, clusters)
    if isinstance(found, str):
        return Needed(None, None, note=found)
    total = found.between + found.within
    if total < max(least, 1e-20):
        if not least:
            return Needed(None, None, note="all facts are alike: nothing says how they differ")
        between = least * found.correlation
        found = replace(found, between=between, within=least - between)
    have, per_entity = found.n_entities, found.n_facts / found.n_entities
    entities = _smallest(lambda n: enough(found.error(n, per_entity), n), 2)
    facts = _smallest(lambda m: enough(found.error(have, m), have), 1)
    notes = [f"more than {MOST} entities"] if entities is None else []
    if facts is None:
        notes.append(f"more facts about these {have} entities would not be enough")
    if clusters.n_seeds > 1:
        notes.append("seeds are taken as alike")
    return Needed(entities, facts, have, per_entity, "; ".join(notes))


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
