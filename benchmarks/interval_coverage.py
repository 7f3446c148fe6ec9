"""Measures how often 95 % intervals hold the true value, and what the tests of two arms do, by simulation.

    python benchmarks/interval_coverage.py [--repetitions 500]

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

from restor.evaluation.statistics.bootstrap import Draws
from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.statistics.distributions import normal_quantile
from restor.evaluation.statistics.equivalence import equivalence
from restor.evaluation.statistics.estimates import (
    Estimate,
    Method,
    difference,
    mean,
    restoration,
    restoration_above,
    share,
)
from restor.evaluation.statistics.paired import mcnemar, permutation, t_test

Answers: TypeAlias = NDArray[np.float64]
"""(models, facts) of 0 and 1."""

BY_ENTITY, BY_ENTITY_AND_MODEL, BY_FACT = 0.15, 0.15, 0.3
"""Variance that answers have in common, of 1 in all."""
METHODS: tuple[Method, ...] = ("t", "percentile", "bca")
MARGIN = 0.1


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


Make: TypeAlias = Callable[[Answers, Clusters, Method, Draws], Estimate]


@final
@dataclass(frozen=True)
class Case:
    """A figure with its true value."""

    name: str
    shares: tuple[float, ...]
    truth: float
    make: Make


def _restoration(x: Answers, clusters: Clusters, method: Method, draws: Draws) -> Estimate:
    return restoration(x[0], x[1], x[2], clusters, method=method, draws=draws)


def _above(x: Answers, clusters: Clusters, method: Method, draws: Draws) -> Estimate:
    return restoration_above(x[0], x[1], x[2], x[3], clusters, method=method, draws=draws)


def _difference(x: Answers, clusters: Clusters, method: Method, draws: Draws) -> Estimate:
    return difference(x[0], x[1], clusters, shares=True, method=method, draws=draws)


def _share(x: Answers, clusters: Clusters, method: Method, draws: Draws) -> Estimate:
    """What is used in place of t is the log-odds interval; quantiles are those of the mean."""
    return share(x[0], clusters) if method == "t" else mean(x[0], clusters, method=method, draws=draws)


def cases() -> list[Case]:
    """Figures away from and near the ends."""
    return [
        *(Case(f"share {100 * p:g} %", (p,), p, _share) for p in (0.01, 0.5, 0.9, 0.95, 0.99)),
        Case("difference 50 - 70 %", (0.5, 0.7), -0.2, _difference),
        Case("difference 98 - 99 %", (0.98, 0.99), -0.01, _difference),
        Case("restoration (50, 15, 95 %)", (0.5, 0.15, 0.95), 0.35 / 0.8, _restoration),
        Case("restoration (94, 15, 95 %)", (0.94, 0.15, 0.95), 0.79 / 0.8, _restoration),
        Case("restoration (30, 30, 50 %)", (0.3, 0.3, 0.5), 0.0, _restoration),
        Case("above control (50, 30, 15, 95 %)", (0.5, 0.3, 0.15, 0.95), 0.25, _above),
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


def coverage(
    world: World, case: Case, methods: Sequence[Method], repetitions: int
) -> dict[Method, tuple[float, float]]:
    """Per method: the share of intervals that hold the truth, of those that there are, and their mean width.

    There is none where nothing varies, and no restoration where the simulated corruption did not bite.
    """
    clusters = world.clusters()
    draws = Draws(clusters)
    rng = np.random.default_rng(1)
    held: dict[Method, list[tuple[bool, float]]] = {method: [] for method in methods}
    for _ in range(repetitions):
        answers = simulate(world, clusters, case.shares, rng)
        for method in methods:
            found = case.make(answers, clusters, method, draws)
            if found.low is not None and found.high is not None:
                held[method].append((found.low <= case.truth <= found.high, found.high - found.low))
    table = {method: np.array(rows, dtype=np.float64).reshape(-1, 2) for method, rows in held.items()}
    return {method: (float(rows[:, 0].mean()), float(rows[:, 1].mean())) for method, rows in table.items()}


def rates(world: World, shares: tuple[float, float], repetitions: int) -> dict[str, float]:
    """How often each test rejects at 5 %: McNemar, permutation, t, and two one-sided tests with `MARGIN`."""
    clusters = world.clusters()
    rng = np.random.default_rng(1)
    counts = {"McNemar": 0, "permutation": 0, "t": 0, "equivalence": 0}
    for _ in range(repetitions):
        arm, other = simulate(world, clusters, shares, rng)
        figure = difference(arm, other, clusters, shares=True)
        for name, p in (
            ("McNemar", mcnemar(arm, other).p),
            ("permutation", permutation(arm, other, clusters, flips=999, exact_up_to=10).p),
            ("t", t_test(figure)),
            ("equivalence", equivalence(figure, MARGIN).p),
        ):
            counts[name] += p is not None and p <= 0.05
    return {name: count / repetitions for name, count in counts.items()}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=500)
    repetitions = parser.parse_args().repetitions
    began = time.perf_counter()
    print(f"{repetitions} repetitions: a true 95 % shows as 95 +- {196 * math.sqrt(0.0475 / repetitions):.1f} %\n")
    print("| seeds x entities x facts | figure | used: %, width | percentile | BCa |\n|---|---|---|---|---|")
    for world in worlds():
        for case in cases():
            found = coverage(world, case, METHODS, repetitions)
            cells = " | ".join(f"{100 * share:.1f}, {width:.3f}" for share, width in found.values())
            print(f"| {world} | {case.name} | {cells} |", flush=True)
    print(f"\nRejections at 5 %, equivalence with a margin of {MARGIN:g}\n")
    print("| seeds x entities x facts | true shares | McNemar | permutation | t | equivalence |\n" + "|---" * 6 + "|")
    for world in worlds():
        for shares in ((0.9, 0.9), (0.85, 0.95), (0.89, 0.99), (0.94, 0.95), (0.99, 0.99)):
            tests = " | ".join(f"{100 * rate:.1f}" for rate in rates(world, shares, repetitions).values())
            print(f"| {world} | {100 * shares[0]:g}, {100 * shares[1]:g} % | {tests} |", flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
