"""Metrics: stored answers in, a figure with its interval out. One file is one metric; none ever asks a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from restor.registry import Catalogue
from restor.results import Figure, Value
from restor.types import Group, Judgement

Floats = NDArray[np.float64]

FactKey: TypeAlias = tuple[str, str]
"""Entity and relation."""

RESAMPLES = 2000
"""Bootstrap draws: enough for two digits of a 95 % interval."""
DRAWN_AT_ONCE = 4_000_000
"""Most entities drawn at once, 32 MB: a hundred thousand entities take no more memory than a thousand."""

NO_PLANTED = "no planted answers are known"
"""Why what asks for them is undefined."""


@final
@dataclass(frozen=True, slots=True)
class Scored:
    """One judged answer, as stored. Entity and relation together are the fact; it has one answer per run."""

    entity: str
    """Subject, with the seed of its world: what the bootstrap draws."""
    relation: str
    run: int
    group: Group
    answer_shown: bool
    """Whether a true answer stands among the demonstrations of the prompt."""
    planted: bool
    """Whether the planted answer of the fact is known."""
    judgement: Judgement
    logprob_original: float | None
    logprob_planted: float | None
    logprob_random: float | None
    rank_original: int | None

    @property
    def fact(self) -> FactKey:
        """What a figure counts once, however often it was asked."""
        return self.entity, self.relation


@final
@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one arm beside those of the arms it is compared with, to the same facts.

    A comparison of checkpoints may lack any of them; theirs are empty then.
    """

    arm: Sequence[Scored]
    corrupted: Sequence[Scored]
    ideal: Sequence[Scored]
    clean: Sequence[Scored] = ()


class Metric(ABC):
    """One or more named figures of an arm."""

    figures: ClassVar[tuple[Figure, ...]]
    """What it computes, in the words of tables and pages."""

    @abstractmethod
    def compute(self, answers: Answers) -> Mapping[str, Value]:
        """The figures by name, in the order of `figures`; an undefined one has a note instead of a value."""


METRICS_CATALOGUE: Catalogue[Metric] = Catalogue("metric", "restor.evaluation.metrics", Metric, "restor.metrics")


def all_figures() -> list[Figure]:
    """The figures of all metrics, in the order of the catalogue: what `Results.figures` stores."""
    return [figure for name in METRICS_CATALOGUE.names() for figure in METRICS_CATALOGUE.get(name).figures]


def of_group(scored: Iterable[Scored], group: Group) -> list[Scored]:
    """The answers of one group."""
    return [item for item in scored if item.group is group]


def per_fact(asked: Iterable[Scored], value: Callable[[Scored], float | None]) -> dict[FactKey, float | None]:
    """Per fact, in order of first appearance: the mean over those of its runs that have a value; None without any."""
    found: dict[FactKey, list[float]] = {}
    for item in asked:
        own = found.setdefault(item.fact, [])
        figure = value(item)
        if figure is not None:
            own.append(figure)
    return {fact: sum(values) / len(values) if values else None for fact, values in found.items()}


def judged(judgement: Judgement) -> Callable[[Scored], float | None]:
    """1 for an answer with this judgement, 0 for one with another, None for one without a verdict."""

    def value(item: Scored) -> float | None:
        return None if item.judgement is Judgement.UNSCORED else float(item.judgement is judgement)

    return value


def missing_verdicts(asked: Iterable[Scored]) -> str:
    """A note about facts of which some runs have a verdict and others none; empty where there are none."""
    runs: dict[FactKey, list[bool]] = {}
    for item in asked:
        runs.setdefault(item.fact, []).append(item.judgement is Judgement.UNSCORED)
    missing = sum(sum(unscored) for unscored in runs.values() if any(unscored) and not all(unscored))
    return f"answers without a verdict: {missing}; their facts count by their other runs" if missing else ""


def entity_sums(entities: Sequence[str], values: Floats) -> tuple[Floats, Floats]:
    """Per entity, in order of first appearance: the sum of its values and how many there are."""
    places: dict[str, int] = {}
    index = np.array([places.setdefault(entity, len(places)) for entity in entities], dtype=np.intp)
    sums = np.zeros(len(places))
    counts = np.zeros(len(places))
    np.add.at(sums, index, values)
    np.add.at(counts, index, 1.0)
    return sums, counts


def draws(n_entities: int) -> Iterator[NDArray[np.intp]]:
    """Entities of the bootstrap draws, (R, n_entities) at a time, RESAMPLES in all: the same for the same number of
    entities, so that arms are compared on the same draws."""
    rng = np.random.default_rng(20241100204)
    at_once = max(1, DRAWN_AT_ONCE // n_entities)
    for first in range(0, RESAMPLES, at_once):
        yield rng.integers(0, n_entities, (min(at_once, RESAMPLES - first), n_entities))


def interval(statistic: Callable[[NDArray[np.intp]], Floats], n_entities: int) -> tuple[float | None, float | None]:
    """A 95 % percentile interval of a statistic over bootstrap draws of entities; none with fewer than two entities.

    `statistic` takes the draws (R, E) and returns one value per draw, NaN where undefined.
    """
    if n_entities < 2:
        return None, None
    values = np.concatenate([statistic(drawn) for drawn in draws(n_entities)])
    values = values[np.isfinite(values)]
    if len(values) < RESAMPLES // 2:
        return None, None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def mean_value(facts: Mapping[FactKey, float | None], *, note: str = "", lacking: str = "") -> Value:
    """The mean over facts with its bootstrap interval over entities.

    Args:
        facts: the figure of each fact, None where it has none: those are counted as unscored.
        note: what to know about the figure.
        lacking: why it is undefined, where no fact has one.
    """
    known = {fact: value for fact, value in facts.items() if value is not None}
    unscored = len(facts) - len(known)
    if not known:
        why = lacking or (f"none of {unscored} facts has a figure" if unscored else "no facts")
        return Value(value=None, n=0, n_unscored=unscored, note=why)
    sums, counts = entity_sums([entity for entity, _ in known], np.array(list(known.values()), dtype=np.float64))
    low, high = interval(lambda rows: sums[rows].sum(axis=1) / counts[rows].sum(axis=1), len(sums))
    return Value(
        value=float(sums.sum() / counts.sum()),
        ci_low=low,
        ci_high=high,
        n=len(known),
        n_entities=len(sums),
        n_unscored=unscored,
        note=note,
    )
