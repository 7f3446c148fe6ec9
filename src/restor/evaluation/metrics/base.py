"""Metrics: stored answers in, a figure with its interval out. One file is one metric; none ever asks a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from restor.registry import Catalogue
from restor.results import Figure, Value
from restor.types import Group, Judgement, Kind

Floats = NDArray[np.float64]

FactKey: TypeAlias = tuple[str, str]
"""Entity and relation."""

RESAMPLES = 2000
"""Bootstrap draws: enough for two digits of a 95 % interval."""
DRAWN_AT_ONCE = 4_000_000
"""Most entities drawn at once, 32 MB: a hundred thousand entities take no more memory than a thousand."""

NO_PLANTED = "no planted answers are known"
"""Why what asks for them is undefined."""
NO_LOG_PROBS = "no log-probs were stored"
"""Why what asks for them is undefined."""
STATES = (Judgement.ORIGINAL, Judgement.PLANTED, Judgement.OTHER)
"""What a fact with a verdict can be; of equally frequent ones the first counts."""


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
    controls: Mapping[str, Sequence[Scored]] = field(default_factory=dict)
    """By name: the controls that read the arm's retain text or none. One that failed for a seed of the arm is empty."""
    kind: Kind | None = None
    """What the arm is there for; None where nobody said so."""

    @property
    def top(self) -> Sequence[Scored]:
        """The model that full restoration means: the ideal one or, where there is none, the clean one."""
        return self.ideal or self.clean

    @property
    def top_name(self) -> str:
        """Which of them it is."""
        return "ideal" if self.ideal else "clean"


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
        own = found.setdefault((item.entity, item.relation), [])
        figure = value(item)
        if figure is not None:
            own.append(figure)
    return {fact: sum(values) / len(values) if values else None for fact, values in found.items()}


def judged(judgement: Judgement) -> Callable[[Scored], float | None]:
    """1 for an answer with this judgement, 0 for one with another, None for one without a verdict."""

    def value(item: Scored) -> float | None:
        return None if item.judgement is Judgement.UNSCORED else float(item.judgement is judgement)

    return value


def state_of(asked: Iterable[Scored]) -> dict[FactKey, Judgement]:
    """Per fact, in order of first appearance: the most frequent verdict of its runs; UNSCORED without any."""
    found: dict[FactKey, list[Judgement]] = {}
    for item in asked:
        found.setdefault((item.entity, item.relation), []).append(item.judgement)
    return {fact: own[0] if len(own) == 1 else _most_frequent(own) for fact, own in found.items()}


def _most_frequent(verdicts: Sequence[Judgement]) -> Judgement:
    state = max(STATES, key=verdicts.count)
    return state if state in verdicts else Judgement.UNSCORED


def needs(what: str, answers: Answers, *references: Literal["clean", "corrupted", "top"]) -> str:
    """A note that names the models which a figure lacks; empty where all are there."""
    told = {
        "clean": "a clean model (--model clean=...)",
        "corrupted": "a corrupted model (--model corrupted=...)",
        "top": "a clean or an ideal one (--model clean=...)",
    }
    given = {"clean": answers.clean, "corrupted": answers.corrupted, "top": answers.top}
    lacking = [told[name] for name in references if not given[name]]
    return f"{what} needs {' and '.join(lacking)}" if lacking else ""


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
    sums = np.bincount(index, weights=values, minlength=len(places)).astype(np.float64)
    return sums, np.bincount(index, minlength=len(places)).astype(np.float64)


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


@final
@dataclass(frozen=True, slots=True)
class Paired:
    """The figures of several models for the same facts."""

    facts: tuple[FactKey, ...]
    """Those that have a figure for every model, in the order of the first."""
    values: Floats
    """(facts, models)."""
    unscored: int
    """Facts that lack one for some model."""

    @property
    def means(self) -> list[float]:
        """One per model."""
        return [float(self.values[:, place].sum()) / len(self.facts) for place in range(self.values.shape[1])]

    def sums(self) -> list[Floats]:
        """Per model: the sum of each entity, in the same order for all."""
        entities = [entity for entity, _ in self.facts]
        return [entity_sums(entities, self.values[:, place])[0] for place in range(self.values.shape[1])]


def paired(models: Sequence[Iterable[Scored]], value: Callable[[Scored], float | None]) -> Paired:
    """The figures of the same facts for several models, by name and not by place.

    Raises:
        ValueError: if they were not asked the same facts.
    """
    found = [per_fact(asked, value) for asked in models]
    if any(other.keys() != found[0].keys() for other in found[1:]):
        raise ValueError(f"arms asked different facts: {', '.join(str(len(model)) for model in found)}")
    kept = tuple(fact for fact in found[0] if all(model[fact] is not None for model in found))
    values = np.array([[model[fact] for model in found] for fact in kept], dtype=np.float64)
    return Paired(kept, values.reshape(len(kept), len(found)), len(found[0]) - len(kept))


def gained(
    pairs: Paired, *, least: float, flat: Callable[[float, float], str], over: slice = slice(1, 2), note: str = ""
) -> Value:
    """(arm - floor) / (top - corrupted) of the means of some models: the arm, the corrupted one, the top, and others.

    Args:
        pairs: the figures of these models, in this order.
        least: the smallest top - corrupted for which the ratio is defined.
        flat: says why it is not, from the means of the top and the corrupted model.
        over: which models are the floor; of several the best, in each bootstrap draw anew.
        note: what to know about the figure.
    """
    if not pairs.facts:
        return Value(value=None, n=0, n_unscored=pairs.unscored, note="no scored facts")
    means, sums = pairs.means, pairs.sums()
    about = Value(value=None, n=len(pairs.facts), n_entities=len(sums[0]), n_unscored=pairs.unscored)
    if means[2] - means[1] < least:
        return about.model_copy(update={"note": flat(means[2], means[1])})

    def ratio(drawn: NDArray[np.intp]) -> Floats:
        arm, corrupted, top = (part[drawn].sum(axis=1) for part in sums[:3])
        floor = corrupted
        if over != slice(1, 2):
            floor = np.max([part[drawn].sum(axis=1) for part in sums[over]], axis=0)
        gap = top - corrupted
        return np.where(gap > 0, (arm - floor) / np.where(gap > 0, gap, 1.0), np.nan)

    low, high = interval(ratio, len(sums[0]))
    value = (means[0] - max(means[over])) / (means[2] - means[1])
    return about.model_copy(update={"value": value, "ci_low": low, "ci_high": high, "note": note})


def not_bitten(top_name: str) -> Callable[[float, float], str]:
    """Says that the corruption did not bite, from two accuracies."""
    return lambda top, corrupted: (
        f"undefined: the corruption did not bite ({top_name} {100 * top:.0f} %, corrupted {100 * corrupted:.0f} %)"
    )


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
    value = float(sums.sum() / counts.sum())

    def mean(drawn: NDArray[np.intp]) -> Floats:
        means: Floats = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
        return means

    # Where every fact is 0 or every one 1, so is every draw.
    certain = len(sums) > 1 and value in (0.0, 1.0) and set(known.values()) == {value}
    low, high = (value, value) if certain else interval(mean, len(sums))
    return Value(
        value=value,
        ci_low=low,
        ci_high=high,
        n=len(known),
        n_entities=len(sums),
        n_unscored=unscored,
        note=note,
    )
