"""Measures how often 95 % intervals hold the true value, beside quantiles of a bootstrap, and how often tests reject.

    python benchmarks/interval_coverage.py [--repetitions 1000]

A fact is answered correctly where a normal number lies below a threshold. The number is a sum of parts that facts
share: one per entity, one per entity and model, one per seed and model, one per fact and one per answer. So the true
shares are known exactly, and models, facts of an entity and runs of a seed go together as they do in studies.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.statistics.contrast import DIFFERENCE, MEAN, RESTORATION, Contrast
from restor.evaluation.statistics.distributions import normal_quantile
from restor.evaluation.statistics.equivalence import equivalence
from restor.evaluation.statistics.estimates import (
    Estimate,
    difference,
    mean,
    restoration,
    restoration_above_all,
    share,
)
from restor.evaluation.statistics.paired import compared

Answers: TypeAlias = NDArray[np.float64]
"""(models, facts) of 0 and 1."""

BY_ENTITY, BY_ENTITY_AND_MODEL, BY_FACT = 0.15, 0.15, 0.3
"""Variance that answers have in common, of 1 in all."""
MARGIN = 0.15
DRAWS = 1000


@final
@dataclass(frozen=True)
class World:
    """How many there are of each, and the variance that the answers of one model in one seed share."""

    seeds: int
    entities: int
    facts: int
    by_seed: float = 0.0
    crossed: bool = False
    """Whether all seeds ask about the same entities."""
    uneven: bool = False
    """Whether entities have half or one and a half times as many facts."""

    def clusters(self) -> Clusters:
        """Entities and seeds of the facts."""
        labels: list[tuple[int, int]] = []
        seeds: list[int] = []
        for seed in range(self.seeds):
            for entity in range(self.entities):
                n = self.facts // 2 + self.facts * (entity % 2) if self.uneven else self.facts
                labels += [(0 if self.crossed else seed, entity)] * n
                seeds += [seed] * n
        return Clusters.of(labels, seeds)

    def __str__(self) -> str:
        parts = [f"{self.seeds} x {self.entities} x {self.facts}"]
        if self.by_seed:
            parts.append(f"seeds differ ({self.by_seed:g})")
        if self.crossed:
            parts.append("same entities")
        if self.uneven:
            parts.append("uneven")
        return ", ".join(parts)


def simulate(world: World, clusters: Clusters, shares: Sequence[float], rng: np.random.Generator) -> Answers:
    """One study with these true shares."""
    models = len(shares)
    facts = clusters.n_facts
    entity = clusters.entity[clusters.cell]
    seed = clusters.seed[clusters.cell]
    latent = (
        math.sqrt(BY_ENTITY) * rng.standard_normal(clusters.n_entities)[entity]
        + math.sqrt(BY_ENTITY_AND_MODEL) * rng.standard_normal((models, clusters.n_entities))[:, entity]
        + math.sqrt(world.by_seed) * rng.standard_normal((models, clusters.n_seeds))[:, seed]
        + math.sqrt(BY_FACT) * rng.standard_normal(facts)
        + math.sqrt(1 - BY_ENTITY - BY_ENTITY_AND_MODEL - BY_FACT - world.by_seed)
        * rng.standard_normal((models, facts))
    )
    limits = np.array([normal_quantile(p) for p in shares])
    return (latent < limits[:, None]).astype(np.float64)


Make: TypeAlias = Callable[[Answers, Clusters], Estimate]


@final
@dataclass(frozen=True)
class Case:
    """A figure with its true value."""

    name: str
    shares: tuple[float, ...]
    truth: float
    make: Make
    contrast: Contrast | None = None
    """For its bootstrap."""


def _above(x: Answers, clusters: Clusters) -> Estimate:
    return restoration_above_all(x[0], list(x[1:-2]), x[-2], x[-1], clusters)


def _mean(x: Answers, clusters: Clusters) -> Estimate:
    """Of a figure without ends: how many of four models are right."""
    return mean(x.sum(axis=0), clusters)


def cases() -> list[Case]:
    """Figures away from and near the ends."""

    def of_difference(x: Answers, clusters: Clusters) -> Estimate:
        return difference(x[0], x[1], clusters, shares=True)

    def of_restoration(x: Answers, clusters: Clusters) -> Estimate:
        return restoration(x[0], x[1], x[2], clusters)

    return [
        *(
            Case(f"share {100 * p:g} %", (p,), p, lambda x, clusters: share(x[0], clusters), MEAN)
            for p in (0.01, 0.5, 0.9, 0.95, 0.99)
        ),
        Case("mean", (0.5, 0.15, 0.95, 0.3), 1.9, _mean),
        Case("difference 50 - 70 %", (0.5, 0.7), -0.2, of_difference, DIFFERENCE),
        Case("difference 98 - 99 %", (0.98, 0.99), -0.01, of_difference, DIFFERENCE),
        Case("restoration (50, 15, 95 %)", (0.5, 0.15, 0.95), 0.35 / 0.8, of_restoration, RESTORATION),
        Case("restoration (94, 15, 95 %)", (0.94, 0.15, 0.95), 0.79 / 0.8, of_restoration, RESTORATION),
        Case("restoration (30, 30, 50 %)", (0.3, 0.3, 0.5), 0.0, of_restoration, RESTORATION),
        Case("above one control (50, 30, 15, 95 %)", (0.5, 0.3, 0.15, 0.95), 0.25, _above),
        Case("above four controls", (0.5, 0.3, 0.3, 0.25, 0.2, 0.15, 0.95), 0.25, _above),
    ]


def worlds() -> list[World]:
    """The sizes that studies have."""
    return [
        World(1, 16, 12),
        World(1, 10, 20),
        World(1, 64, 12),
        World(1, 16, 12, uneven=True),
        World(3, 16, 12),
        World(3, 16, 12, 0.05),
        World(5, 16, 12),
        World(5, 16, 12, 0.05),
        World(3, 50, 20, 0.01, crossed=True),
        World(5, 50, 20, 0.01, crossed=True),
    ]


def coverage(world: World, case: Case, repetitions: int) -> tuple[float, float]:
    """The share of intervals that hold the truth, of those that there are, and their mean width.

    There is none where nothing varies, and no restoration where the simulated corruption did not bite.
    """
    clusters, rng = world.clusters(), np.random.default_rng(1)
    held = []
    for _ in range(repetitions):
        found = case.make(simulate(world, clusters, case.shares, rng), clusters)
        if found.low is not None and found.high is not None:
            held.append((found.low <= case.truth <= found.high, found.high - found.low))
    rows = np.array(held, dtype=np.float64)
    return float(rows[:, 0].mean()), float(rows[:, 1].mean())


def bootstrapped(world: World, case: Case, repetitions: int) -> float | None:
    """The same share for quantiles of a bootstrap over entities, or over seeds and then entities within them."""
    if case.contrast is None or world.crossed:
        return None
    clusters, rng = world.clusters(), np.random.default_rng(1)
    cells = np.arange(clusters.n_cells).reshape(world.seeds, -1)
    held = []
    for _ in range(repetitions):
        totals = clusters.totals(simulate(world, clusters, case.shares, rng))
        seeds = (
            rng.integers(0, world.seeds, (DRAWS, world.seeds, 1)) if world.seeds > 1 else np.zeros((DRAWS, 1, 1), int)
        )
        drawn = cells[seeds, rng.integers(0, cells.shape[1], (DRAWS, *cells.shape))]
        values = case.contrast(totals[drawn].sum(axis=(1, 2)))
        low, high = np.nanquantile(values, [0.025, 0.975])
        held.append(low <= case.truth <= high)
    return float(np.mean(held))


def rates(world: World, shares: tuple[float, float, float], repetitions: int) -> dict[str, float]:
    """How often the test of two arms and the test of equivalence to the ideal reject at 5 %.

    Shares are of an arm, the ideal and the corrupted model.
    """
    clusters, rng = world.clusters(), np.random.default_rng(1)
    counts = {"permutation": 0, "equivalence": 0}
    for _ in range(repetitions):
        arm, ideal, corrupted = simulate(world, clusters, shares, rng)
        ps = {
            "permutation": compared(arm, ideal, clusters).p,
            "equivalence": equivalence(arm, corrupted, ideal, clusters, MARGIN).p_above,
        }
        for name, p in ps.items():
            counts[name] += p is not None and p <= 0.05
    return {name: count / repetitions for name, count in counts.items()}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--bootstrap", action="store_true", help="also quantiles of a bootstrap, which takes long")
    given = parser.parse_args()
    repetitions = given.repetitions
    began = time.perf_counter()
    print(f"{repetitions} repetitions: a true 95 % shows as 95 +- {196 * math.sqrt(0.0475 / repetitions):.1f} %\n")
    print("| seeds x entities x facts | figure | held, % | width | bootstrap held, % |\n" + "|---" * 5 + "|")
    for world in worlds():
        for case in cases():
            held, width = coverage(world, case, repetitions)
            other = bootstrapped(world, case, repetitions // 2) if given.bootstrap else None
            cells = f"{100 * held:.1f} | {width:.3f} | {'' if other is None else f'{100 * other:.1f}'}"
            print(f"| {world} | {case.name} | {cells} |", flush=True)
    print(f"\nRejections at 5 %, %: of no difference to the ideal, and of restoration at or below {1 - MARGIN:g}\n")
    print("| seeds x entities x facts | arm, ideal, corrupted | permutation | equivalence |\n" + "|---" * 4 + "|")
    for world in worlds():
        for shares in ((0.97, 0.97, 0.12), (0.8425, 0.97, 0.12), (0.9, 0.9, 0.12), (0.783, 0.9, 0.12)):
            tests = " | ".join(f"{100 * rate:.1f}" for rate in rates(world, shares, repetitions).values())
            print(f"| {world} | {', '.join(f'{100 * share:g}' for share in shares)} | {tests} |", flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
