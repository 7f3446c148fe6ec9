"""The standard error from leaving out one entity, or one seed, at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from restor.evaluation.statistics.clusters import Clusters, Floats, Places

Statistic: TypeAlias = Callable[[Floats], Floats]
"""Totals (..., K) in, one value each (...) out, NaN where it is undefined."""


@final
@dataclass(frozen=True, slots=True)
class Spread:
    """A standard error and the degrees of freedom of Student's t that go with it."""

    error: float
    df: float


def left_out(totals: Floats, statistic: Statistic, group: Places) -> Floats:
    """The statistic without each of the groups of cells; totals are (C, K), `group` says where each cell belongs."""
    groups = int(group.max()) + 1
    sums = np.stack([np.bincount(group, weights=column, minlength=groups) for column in totals.T], axis=1)
    return statistic(totals.sum(axis=0) - sums)


def spread(totals: Floats, statistic: Statistic, clusters: Clusters) -> Spread | str:
    """The jackknife's standard error, or why there is none.

    One group: (G - 1) / G x sum (value without g - their mean)^2 (Efron and Tibshirani 1993, An Introduction to the
    Bootstrap, chapter 11), G - 1 degrees of freedom. Of equally many facts per entity, the mean has the usual
    s / sqrt(G).

    - One seed: groups are entities.
    - Several seeds, each with its own entities: groups are seeds. Their figures are independent whatever happens within
      them, so nothing needs to be known about that.
    - Several seeds about the same entities: the variance by entities plus that by seeds. What a cell has of its own is
      in both, which is on the safe side. The degrees of freedom are those of a sum of two variances (Satterthwaite
      1946, An approximate distribution of estimates of variance components, Biometrics Bulletin 2):
      (v + w)^2 / (v^2 / (entities - 1) + w^2 / (seeds - 1)).
    """
    if clusters.n_entities < 2:
        return "one entity only: nothing says how entities differ" if clusters.n_entities else "no facts"
    groups = [clusters.entity] if clusters.n_seeds == 1 or clusters.crossed else []
    if clusters.n_seeds > 1:
        groups.append(clusters.seed)
    variances, dfs = [], []
    for group in groups:
        variance = _variance(left_out(totals, statistic, group))
        if variance is None:
            return "undefined without one of the entities or seeds, so much depends on it"
        variances.append(variance)
        dfs.append(int(group.max()))
    total = sum(variances)
    df = total**2 / sum(v**2 / df for v, df in zip(variances, dfs, strict=True)) if total else float(min(dfs))
    return Spread(error=math.sqrt(total), df=df)


def design_effect(totals: Floats, statistic: Statistic, clusters: Clusters, independent: float) -> float:
    """By how much the variance exceeds that of independent facts (Kish 1965, Survey Sampling); at least 1.

    `independent` is the variance if facts were so. Seeds do not enter: a handful of them would say it too roughly.
    """
    variance = _variance(left_out(totals, statistic, clusters.entity))
    return max(1.0, variance / independent) if variance and independent > 0 else 1.0


def _variance(without: Floats) -> float | None:
    if not np.isfinite(without).all():
        return None
    n = len(without)
    variance = float(((without - without.mean()) ** 2).sum() * (n - 1) / n)
    # what rounding leaves of equal values is no spread
    return 0.0 if variance < (1e-12 * max(1.0, float(np.abs(without).max()))) ** 2 else variance
