"""Metrics: stored answers in, a figure with its interval out. One file is one metric; none ever asks a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from restor.registry import Catalogue
from restor.results import Value
from restor.types import Group, Judgement

Floats = NDArray[np.float64]

RESAMPLES = 2000
"""Bootstrap draws: enough for two digits of a 95 % interval."""


@final
@dataclass(frozen=True, slots=True)
class Scored:
    """One judged answer, as stored."""

    entity: str
    """Subject, with the seed of its world: what the bootstrap draws."""
    relation: str
    group: Group
    judgement: Judgement
    logprob_original: float | None
    logprob_planted: float | None
    logprob_random: float | None
    rank_original: int | None


@final
@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one arm beside those of the arms it is compared with, for the same facts."""

    arm: Sequence[Scored]
    corrupted: Sequence[Scored]
    ideal: Sequence[Scored]


class Metric(ABC):
    """One or more named figures of an arm."""

    names: ClassVar[tuple[str, ...]]

    @abstractmethod
    def compute(self, answers: Answers) -> Mapping[str, Value]:
        """The figures by name; an undefined one has a note instead of a value."""


METRICS_CATALOGUE: Catalogue[Metric] = Catalogue("metric", "restor.evaluation.metrics", Metric, "restor.metrics")


def of_group(scored: Sequence[Scored], group: Group) -> list[Scored]:
    """The answers of one group."""
    return [item for item in scored if item.group is group]


def entity_sums(entities: Sequence[str], values: Floats) -> tuple[Floats, Floats]:
    """Per entity, in order of first appearance: the sum of its values and how many there are."""
    places: dict[str, int] = {}
    index = np.array([places.setdefault(entity, len(places)) for entity in entities], dtype=np.intp)
    sums = np.zeros(len(places))
    counts = np.zeros(len(places))
    np.add.at(sums, index, values)
    np.add.at(counts, index, 1.0)
    return sums, counts


def draws(n_entities: int) -> NDArray[np.intp]:
    """Entities of every bootstrap draw, (RESAMPLES, n_entities): the same for the same number of entities, so that
    arms are compared on the same draws."""
    return np.random.default_rng(20241100204).integers(0, n_entities, (RESAMPLES, n_entities))


def interval(statistic: Callable[[NDArray[np.intp]], Floats], n_entities: int) -> tuple[float | None, float | None]:
    """A 95 % percentile interval of a statistic over bootstrap draws of entities; none with fewer than two entities.

    `statistic` takes the draws (R, E) and returns one value per draw, NaN where undefined.
    """
    if n_entities < 2:
        return None, None
    values = statistic(draws(n_entities))
    values = values[np.isfinite(values)]
    if len(values) < RESAMPLES // 2:
        return None, None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def mean_value(entities: Sequence[str], values: Sequence[float], *, n_unscored: int = 0, note: str = "") -> Value:
    """The mean over facts with its bootstrap interval over entities; undefined without facts."""
    if not values:
        return Value(value=None, n=0, n_unscored=n_unscored, note=note or "no facts")
    sums, counts = entity_sums(entities, np.asarray(values, dtype=np.float64))
    low, high = interval(lambda rows: sums[rows].sum(axis=1) / counts[rows].sum(axis=1), len(sums))
    return Value(
        value=float(sums.sum() / counts.sum()),
        ci_low=low,
        ci_high=high,
        n=len(values),
        n_entities=len(sums),
        n_unscored=n_unscored,
        note=note,
    )
