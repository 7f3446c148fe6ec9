"""The bootstrap over entities, with seeds as a second level above them.

Whole entities are drawn with replacement and bring all their facts (Field and Welsh 2007, Bootstrapping clustered data,
J. R. Statist. Soc. B 69). With several seeds, seeds are drawn first and then as many entities within each (the
two-stage bootstrap of Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8). Where all seeds
ask about the same entities, seeds and entities are drawn apart, and a cell counts as often as both were drawn (Owen
2007, The pigeonhole bootstrap, Ann. Appl. Stat. 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.statistics.clusters import Clusters, Floats, Places
from restor.evaluation.statistics.distributions import normal_cdf, normal_quantile

RESAMPLES = 2000
"""Draws: enough for two digits of a 95 % interval."""
DRAWN_AT_ONCE = 4_000_000
"""Most entities drawn at once, 32 MB: a hundred thousand entities take no more memory than a thousand."""
SEED = 20241100204
"""Arms are compared on the same draws."""

Statistic: TypeAlias = Callable[[Floats], Floats]
"""Totals (..., K) in, one value each (...) out, NaN where it is undefined."""


def entity_draws(n_entities: int, resamples: int = RESAMPLES) -> Iterator[Places]:
    """Entities of the draws, (R, n_entities) at a time: the same for the same number of entities."""
    rng = np.random.default_rng(SEED)
    at_once = max(1, DRAWN_AT_ONCE // max(1, n_entities))
    for first in range(0, resamples, at_once):
        yield rng.integers(0, n_entities, (min(at_once, resamples - first), n_entities))


@final
class Draws:
    """How often each cell is drawn: made once for some clusters, used for every arm."""

    def __init__(self, clusters: Clusters, resamples: int = RESAMPLES) -> None:
        """What is drawn follows from the clusters: entities, or seeds too where there are several."""
        self._clusters = clusters
        self._resamples = resamples

    def sums(self, totals: Floats) -> Floats:
        """Totals (C, K) of the cells in, those of the draws (R, K) out."""
        return np.concatenate([weights @ totals for weights in self._weights()])

    def _weights(self) -> Iterator[Floats]:
        if self._resamples * self._clusters.n_cells > 2 * DRAWN_AT_ONCE:
            return self._drawn()
        return iter(self._kept)

    @cached_property
    def _kept(self) -> list[Floats]:
        return list(self._drawn())

    def _drawn(self) -> Iterator[Floats]:
        if self._clusters.n_seeds < 2:
            return (
                _counts(drawn, self._clusters.n_cells)
                for drawn in entity_draws(self._clusters.n_cells, self._resamples)
            )
        return self._crossed() if self._clusters.crossed else self._nested()

    def _chunks(self) -> Iterator[int]:
        at_once = max(1, DRAWN_AT_ONCE // self._clusters.n_cells)
        for first in range(0, self._resamples, at_once):
            yield min(at_once, self._resamples - first)

    def _nested(self) -> Iterator[Floats]:
        rng = np.random.default_rng([SEED, 2])
        seed = self._clusters.seed
        order = np.argsort(seed, kind="stable")
        size = np.bincount(seed)
        start = np.cumsum(size) - size
        for rows in self._chunks():
            seeds = rng.integers(0, len(size), (rows, len(size)))[:, :, None]
            place = np.arange(size.max())
            picked = (rng.random((rows, len(size), len(place))) * size[seeds]).astype(np.intp)
            cells = order[np.minimum(start[seeds] + picked, len(seed) - 1)]
            yield _counts(cells.reshape(rows, -1), len(seed), (place < size[seeds]).reshape(rows, -1))

    def _crossed(self) -> Iterator[Floats]:
        rng = np.random.default_rng([SEED, 3])
        n_seeds, n_entities = self._clusters.n_seeds, self._clusters.n_entities
        for rows in self._chunks():
            seeds = _counts(rng.integers(0, n_seeds, (rows, n_seeds)), n_seeds)
            entities = _counts(rng.integers(0, n_entities, (rows, n_entities)), n_entities)
            yield entities[:, self._clusters.entity] * seeds[:, self._clusters.seed]


def _counts(drawn: Places, size: int, valid: NDArray[np.bool_] | None = None) -> Floats:
    """Per row: how often each of `size` things was drawn."""
    rows = len(drawn)
    flat = (drawn + size * np.arange(rows)[:, None]).ravel()
    weights = None if valid is None else valid.ravel().astype(np.float64)
    return np.bincount(flat, weights, minlength=rows * size).reshape(rows, size).astype(np.float64)


def percentile(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """Quantiles of the draws (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13)."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bca(values: Floats, estimate: float, without: Floats, level: float = 0.95) -> tuple[float, float] | None:
    """The bias-corrected and accelerated interval (Efron 1987; Efron and Tibshirani 1993, chapter 14).

    Quantiles at Phi(z0 + (z0 + z) / (1 - a (z0 + z))), with z0 from the share of draws below the estimate and the
    acceleration a = sum d^3 / (6 (sum d^2)^1.5), d = mean - value without one cluster.

    Args:
        values: the draws.
        estimate: the figure itself.
        without: the figure without each cluster.
        level: of confidence.

    Returns:
        None where all draws lie on one side, or nothing depends on any cluster.
    """
    below = float(np.mean(values < estimate) + np.mean(values == estimate) / 2)
    d = without.mean() - without
    square = float((d**2).sum())
    if not 0 < below < 1 or not square > 0:
        return None
    z0, a = normal_quantile(below), float((d**3).sum()) / (6 * square**1.5)
    z = normal_quantile((1 - level) / 2)
    places = []
    for side in (z, -z):
        slope = 1 - a * (z0 + side)
        if slope <= 0:
            return None
        places.append(normal_cdf(z0 + (z0 + side) / slope))
    low, high = np.quantile(values, places)
    return float(low), float(high)
