"""Tests of two arms on the same facts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.statistics.clusters import Clusters, Floats
from restor.evaluation.statistics.distributions import fair_coin_below

EXACT_UP_TO = 16
"""Most entities that differ for which all 2^n flips are tried."""
FLIPS = 9_999
"""Random flips where there are more: p has a standard error of 0.002 near 0.05."""
SEED = 20241100205
"""Arms are compared under the same flips."""
FLIPPED_AT_ONCE = 4_000_000
"""16 MB."""


@final
@dataclass(frozen=True, slots=True)
class PairedResult:
    """The two-sided p of "the arms do not differ". What is undefined is None, and `note` says why."""

    p: float | None
    method: str = ""
    note: str = ""


def compared(arm: Floats, other: Floats, clusters: Clusters) -> PairedResult:
    """Exchanges the two arms for whole entities, and asks how often the difference is as large as it is.

    If the arms do not differ, each entity's sum of arm - other is as likely to have the other sign. p is the share of
    all sign patterns with |sum| as large as the observed one; with many entities, of random ones, where the observed
    one counts too: (1 + hits) / (1 + flips) (Phipson and Smyth 2010, Permutation p-values should never be zero, Stat.
    Appl. Genet. Mol. Biol. 9). Where seeds share entities, an entity is exchanged in all of them. The test is about
    other entities, not about other seeds.

    Where every entity has one fact that was asked once, this is the exact test of McNemar (1947, Note on the sampling
    error of the difference between correlated proportions or percentages, Psychometrika 12): p =
    min(1, 2 P(X <= min(gained, lost))), X binomial with gained + lost facts and one half.
    """
    if arm.shape != (clusters.n_facts,) or other.shape != arm.shape:
        raise ValueError(f"values of shape {arm.shape} and {other.shape} for {clusters.n_facts} facts: give one each")
    kept = np.isfinite(arm) & np.isfinite(other)
    d, part = arm[kept] - other[kept], clusters.keep(kept)
    if not len(d):
        return PairedResult(None, note=f"none of {len(kept)} facts has both values" if len(kept) else "no facts")
    if part.n_entities < 2:
        return PairedResult(None, note="one entity only: nothing says how entities differ")
    if not d.any():
        return PairedResult(1.0, "equal on every fact")
    if part.n_entities == len(d) and np.isin(d, (-1, 0, 1)).all():
        gained, lost = int((d > 0).sum()), int((d < 0).sum())
        return PairedResult(min(1.0, 2 * fair_coin_below(min(gained, lost), gained + lost)), "McNemar, exact")
    return _flipped(np.bincount(part.entity[part.cell], weights=d).astype(np.float64))


def _flipped(sums: Floats) -> PairedResult:
    """The permutation test of the sums of entities."""
    # sums that are equal but for rounding count as equal
    observed = abs(float(sums.sum())) - 1e-9 * float(np.abs(sums).sum())
    differ = sums[np.abs(sums) > 1e-12]
    if len(differ) <= EXACT_UP_TO:
        patterns = np.zeros(1)
        for size in differ:
            patterns = np.concatenate([patterns + size, patterns - size])
        return PairedResult(float(np.mean(np.abs(patterns) >= observed)), "permutation of entities, exact")
    hits, at_once = 0, max(1, FLIPPED_AT_ONCE // len(sums))
    for first in range(0, FLIPS, at_once):
        signs = _signs(first, min(at_once, FLIPS - first), len(sums))
        hits += int(np.sum(np.abs(signs @ sums) >= observed))
    return PairedResult((1 + hits) / (1 + FLIPS), f"permutation of entities, {FLIPS} random flips")


@lru_cache(maxsize=2)
def _signs(first: int, rows: int, entities: int) -> NDArray[np.float32]:
    """Random signs: the same for all arms of a table."""
    rng = np.random.default_rng([SEED, first])
    return (2 * rng.integers(0, 2, (rows, entities), dtype=np.int8) - 1).astype(np.float32)
