"""Tests of two arms on the same facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from restor.evaluation.statistics.clusters import Clusters, Floats
from restor.evaluation.statistics.distributions import fair_coin_below, t_above
from restor.evaluation.statistics.estimates import Estimate

EXACT_UP_TO = 16
"""Most entities that differ for which all 2^n flips are tried."""
FLIPS = 9_999
"""Random flips where there are more: p has a standard error of 0.002 near 0.05."""
SEED = 20241100205
"""Arms are compared under the same flips."""
FLIPPED_AT_ONCE = 4_000_000


@final
@dataclass(frozen=True, slots=True)
class PairedTest:
    """The two-sided p of "the arms do not differ". What is undefined is None, and `note` says why."""

    p: float | None
    difference: float | None = None
    """Mean of arm - other."""
    gained: int = 0
    """Facts on which the arm is higher."""
    lost: int = 0
    """Facts on which it is lower."""
    n: int = 0
    """Facts with a value of both."""
    n_unscored: int = 0
    method: str = ""
    note: str = ""


def mcnemar(arm: Sequence[float] | Floats, other: Sequence[float] | Floats) -> PairedTest:
    """The exact test of McNemar (1947, Note on the sampling error of the difference between correlated proportions or
    percentages, Psychometrika 12): of the facts that only one arm answers, each half is expected.

    p = min(1, 2 P(X <= min(gained, lost))), X binomial with gained + lost facts and one half. It takes facts as
    independent, which facts about one entity are not: `permutation` is the one for tables, this one for comparison with
    other work.
    """
    d, unscored, whole = _differences(arm, other)
    base = _counted(d, unscored, "McNemar, exact")
    if base.n and not whole:
        return _noted(
            base, "undefined: facts asked several times are neither right nor wrong; use the permutation test"
        )
    if not base.n or not base.gained + base.lost:
        return base
    below = fair_coin_below(min(base.gained, base.lost), base.gained + base.lost)
    return _with_p(base, min(1.0, 2 * below), base.method)


def t_test(figure: Estimate, reference: float = 0.0) -> float | None:
    """The two-sided p of "the figure equals the reference": 2 P(T > |value - reference| / error).

    Of a `difference` or `restoration_above` of several seeds this is the test that speaks of other seeds, too. None
    where the figure has no standard error; its note says why.
    """
    if figure.value is None or not figure.error or figure.df is None:
        return None
    return min(1.0, 2 * t_above(abs(figure.value - reference) / figure.error, figure.df))


def permutation(
    arm: Sequence[float] | Floats,
    other: Sequence[float] | Floats,
    clusters: Clusters,
    *,
    flips: int = FLIPS,
    exact_up_to: int = EXACT_UP_TO,
) -> PairedTest:
    """Exchanges the two arms for whole entities, and asks how often the difference is as large as it is.

    If the arms do not differ, each entity's sum of arm - other is as likely to have the other sign. p is the share of
    all sign patterns with |sum| as large as the observed one; with many entities, of random ones, where the observed
    one counts too: (1 + hits) / (1 + flips) (Phipson and Smyth 2010, Permutation p-values should never be zero, Stat.
    Appl. Genet. Mol. Biol. 9). Where seeds share entities, an entity is exchanged in all of them. The test is about
    other entities, not about other seeds: for those see `t_test`.
    """
    d, unscored, _ = _differences(arm, other)
    if len(d) != clusters.n_facts:
        raise ValueError(f"{len(d)} values for {clusters.n_facts} facts: give one per fact")
    base = _counted(d, unscored, "permutation of entities")
    if not base.n or not base.gained + base.lost:
        return base
    kept = np.isfinite(d)
    sums = np.bincount(clusters.entity[clusters.cell][kept], weights=d[kept])
    entities = len(np.unique(clusters.entity[clusters.cell][kept]))
    if entities < 2:
        return _noted(base, "one entity only: nothing says how entities differ")
    sums = sums[np.abs(sums) > 1e-12]
    # sums that are equal but for rounding count as equal
    observed = abs(float(sums.sum())) - 1e-9 * float(np.abs(sums).sum())
    if len(sums) <= exact_up_to:
        patterns = np.zeros(1)
        for size in sums:
            patterns = np.concatenate([patterns + size, patterns - size])
        return _with_p(base, float(np.mean(np.abs(patterns) >= observed)), "permutation of entities, exact")
    rng = np.random.default_rng(SEED)
    hits, at_once = 0, max(1, FLIPPED_AT_ONCE // len(sums))
    for first in range(0, flips, at_once):
        signs = rng.integers(0, 2, (min(at_once, flips - first), len(sums)), dtype=np.int8)
        hits += int(np.sum(np.abs((2.0 * signs - 1.0) @ sums) >= observed))
    return _with_p(base, (1 + hits) / (1 + flips), f"permutation of entities, {flips} random flips")


def _differences(arm: Sequence[float] | Floats, other: Sequence[float] | Floats) -> tuple[Floats, int, bool]:
    """Arm - other per fact, NaN where either lacks; how many do; whether all values are 0 or 1."""
    a, b = np.asarray(arm, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"values of shape {a.shape} and {b.shape}: give both arms' values of the same facts")
    kept = np.isfinite(a) & np.isfinite(b)
    d = np.where(kept, np.where(kept, a, 0.0) - np.where(kept, b, 0.0), np.nan)
    whole = bool(np.isin(a[kept], (0, 1)).all() and np.isin(b[kept], (0, 1)).all())
    return d, int((~kept).sum()), whole


def _counted(d: Floats, unscored: int, method: str) -> PairedTest:
    known = d[np.isfinite(d)]
    if not len(known):
        note = f"none of {unscored} facts has both values" if unscored else "no facts"
        return PairedTest(p=None, n_unscored=unscored, method=method, note=note)
    gained, lost = int((known > 0).sum()), int((known < 0).sum())
    same = not gained + lost
    return PairedTest(
        p=1.0 if same else None,
        difference=float(known.mean()),
        gained=gained,
        lost=lost,
        n=len(known),
        n_unscored=unscored,
        method=method,
        note="the arms are equal on every fact" if same else "",
    )


def _with_p(base: PairedTest, p: float, method: str) -> PairedTest:
    return PairedTest(p, base.difference, base.gained, base.lost, base.n, base.n_unscored, method, base.note)


def _noted(base: PairedTest, note: str) -> PairedTest:
    return PairedTest(None, base.difference, base.gained, base.lost, base.n, base.n_unscored, base.method, note)
