"""Metrics: stored answers in, a figure with its interval out. One file is one metric; none ever asks a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import ClassVar, Literal, TypeAlias, TypeVar, final, overload

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.statistics.clusters import Clusters, Floats
from restor.evaluation.statistics.estimates import SMALLEST_GAP, Estimate, mean, restoration, restored_mean, share
from restor.registry import Catalogue
from restor.results import MetricInfo, Value
from restor.types import Group, Judgement, Kind

NumberT = TypeVar("NumberT", bound=np.generic)

FactKey: TypeAlias = tuple[str, str, int]
"""Entity, relation and seed."""

NO_PLANTED = "no planted answers are known"
"""Why what asks for them is undefined."""
NO_LOG_PROBS = "no log-probs were stored"
"""Why what asks for them is undefined."""
NO_FACTS = "no scored facts"
"""Why a comparison is undefined."""
STATES = (Judgement.ORIGINAL, Judgement.PLANTED, Judgement.OTHER)
"""What a fact with a verdict can be: what its scores are most of. Of equal ones the last counts, so that a doubt is no
knowledge."""


@final
@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """One judged answer, as stored. Entity, relation and seed together are the fact; it has one answer per run."""

    entity: str
    relation: str
    run: int
    group: Group
    answer_shown: bool
    """Whether a true answer stands among the demonstrations of the prompt."""
    planted: bool
    """Whether the planted answer of the fact is known."""
    score: float | None
    """How near it is to the truth, in [0, 1]; None for an answer without a verdict."""
    planted_score: float | None
    """How near it is to the planted behaviour, in [0, 1]; None as above."""
    logprob_original: float | None
    logprob_planted: float | None
    logprob_random: float | None
    rank_original: int | None
    options: tuple[str, ...] = ()
    """Those with a log-prob: the true answers, the planted one and random ones."""
    option_logprobs: Floats | None = field(default=None, compare=False)
    """Of `options`, nats; None where none were stored."""
    layers_original: Floats | None = field(default=None, compare=False)
    """Log-prob of the best true answer after each layer; None where it was not stored."""
    layers_planted: Floats | None = field(default=None, compare=False)
    """The same of the planted answer."""
    seed: int = 0
    """Of the study: its world, its models."""
    dose: int | None = None
    """How many forget documents state the planted answer; None where that is not known."""

    @property
    def fact(self) -> FactKey:
        """What a figure counts once, however often it was asked."""
        return self.entity, self.relation, self.seed


Read: TypeAlias = Callable[[JudgedAnswer], float | None]
"""A figure of one answer; None where it has none."""
SCORE: Read = attrgetter("score")
PLANTED_SCORE: Read = attrgetter("planted_score")
LOGPROB_ORIGINAL: Read = attrgetter("logprob_original")
LOGPROB_PLANTED: Read = attrgetter("logprob_planted")


@final
class Said(Sequence[JudgedAnswer]):
    """The answers of one model, and what was read off them: every arm is compared with the same few models."""

    def __init__(self, answers: Iterable[JudgedAnswer]) -> None:
        """Keeps the answers."""
        self._answers = tuple(answers)
        self._groups: dict[Group, Said] = {}
        self._parts: dict[frozenset[FactKey], Said] = {}
        self._read: dict[Read, Floats] = {}
        places: dict[FactKey, int] = {}
        self._place = np.array([places.setdefault(item.fact, len(places)) for item in self._answers], dtype=np.intp)
        self.facts = tuple(places)
        """In order of first appearance."""

    @overload
    def __getitem__(self, index: int) -> JudgedAnswer: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[JudgedAnswer]: ...
    def __getitem__(self, index: int | slice) -> JudgedAnswer | Sequence[JudgedAnswer]:
        """By place."""
        return self._answers[index]

    def __len__(self) -> int:
        """How many answers, runs counted apart."""
        return len(self._answers)

    def __iter__(self) -> Iterator[JudgedAnswer]:
        """In the order given."""
        return iter(self._answers)

    def about(self, facts: frozenset[FactKey]) -> Said:
        """The answers about some of the facts."""
        if len(facts) == len(self.facts):
            return self
        if facts not in self._parts:
            self._parts[facts] = Said(item for item in self._answers if item.fact in facts)
        return self._parts[facts]

    @cached_property
    def planted(self) -> frozenset[FactKey]:
        """The facts whose planted answer is known."""
        return frozenset(item.fact for item in self._answers if item.planted)

    def of(self, group: Group) -> Said:
        """The answers of one group."""
        if group not in self._groups:
            self._groups[group] = Said(item for item in self._answers if item.group is group)
        return self._groups[group]

    def values(self, value: Read) -> Floats:
        """Per fact: the mean over those of its runs that have a value; NaN without any."""
        if value not in self._read:
            read = np.array([np.nan if (x := value(item)) is None else x for item in self._answers], dtype=np.float64)
            if len(read) > len(self.facts):
                known = np.isfinite(read)
                counts = np.bincount(self._place[known], minlength=len(self.facts))
                sums = np.bincount(self._place[known], weights=read[known], minlength=len(self.facts))
                read = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
            self._read[value] = read
        return self._read[value]


def said(answers: Iterable[JudgedAnswer]) -> Said:
    """The answers as they are, or with what is read off them."""
    return answers if isinstance(answers, Said) else Said(answers)


@final
@dataclass(frozen=True, slots=True)
class ComparedAnswers:
    """The answers of one arm beside those of the arms it is compared with, to the same facts.

    A comparison of checkpoints may lack any of them; theirs are empty then. A reference is compared with itself where
    the same object is given twice.
    """

    arm: Sequence[JudgedAnswer]
    corrupted: Sequence[JudgedAnswer]
    ideal: Sequence[JudgedAnswer]
    clean: Sequence[JudgedAnswer] = ()
    controls: Mapping[str, Sequence[JudgedAnswer]] = field(default_factory=dict)
    """By name: the controls that read the arm's retain text or none. One that failed for a seed of the arm is empty."""
    kind: Kind | None = None
    """What the arm is there for; None where nobody said so."""

    def __post_init__(self) -> None:
        """What is read off a model is read once."""
        made: dict[int, Said] = {}

        def kept(answers: Sequence[JudgedAnswer]) -> Said:
            return made.setdefault(id(answers), said(answers))

        for name in ("arm", "corrupted", "ideal", "clean"):
            object.__setattr__(self, name, kept(getattr(self, name)))
        object.__setattr__(self, "controls", {name: kept(asked) for name, asked in self.controls.items()})

    @property
    def top(self) -> Sequence[JudgedAnswer]:
        """The model that full restoration means: the ideal one or, where there is none, the clean one."""
        return self.ideal or self.clean

    @property
    def top_name(self) -> str:
        """Which of them it is."""
        return "ideal" if self.ideal else "clean"

    @property
    def by_definition(self) -> float | None:
        """The restoration of the corrupted model and of the ideal one, which no interval surrounds."""
        return 0.0 if self.arm is self.corrupted else 1.0 if self.arm is self.top else None


class Metric(ABC):
    """One or more named figures of an arm."""

    figures: ClassVar[tuple[MetricInfo, ...]]
    """What it computes, in the words of tables and pages."""

    @abstractmethod
    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """The figures by name, in the order of `figures`; an undefined one has a note instead of a value."""


METRICS_CATALOGUE: Catalogue[Metric] = Catalogue("metric", "restor.evaluation.metrics", Metric, "restor.metrics")


def metric_infos() -> list[MetricInfo]:
    """The figures of all metrics, in the order of the catalogue: what `Results.figures` stores."""
    return [figure for name in METRICS_CATALOGUE.names() for figure in METRICS_CATALOGUE.get(name).figures]


def of_group(scored: Iterable[JudgedAnswer], group: Group) -> Said:
    """The answers of one group."""
    return said(scored).of(group)


def per_fact(asked: Iterable[JudgedAnswer], value: Read) -> dict[FactKey, float | None]:
    """Per fact, in order of first appearance: the mean over those of its runs that have a value; None without any."""
    model = said(asked)
    return dict(zip(model.facts, (None if x != x else x for x in model.values(value).tolist()), strict=True))


def other_score(item: JudgedAnswer) -> float | None:
    """What is neither towards the truth nor towards the planted behaviour."""
    if item.score is None or item.planted_score is None:
        return None
    return max(0.0, 1.0 - item.score - item.planted_score)


def states_of(model: Said) -> NDArray[np.intp]:
    """Per fact: what its runs are most of as its place in `STATES`; -1 without any verdict."""
    shares = np.stack([model.values(score) for score in (SCORE, PLANTED_SCORE, other_score)])
    # sums of equal runs differ by rounding alone
    frequent = np.where(np.isnan(shares), -1, np.round(shares, 9))
    places = len(STATES) - 1 - np.argmax(frequent[::-1], axis=0)
    states: NDArray[np.intp] = np.where(np.isnan(shares[0]), -1, places)
    return states


def needs(what: str, answers: ComparedAnswers, *references: Literal["clean", "corrupted", "top"]) -> str:
    """A note that names the models which a figure lacks; empty where all are there."""
    flags = {
        "clean": "a clean model (--model clean=...)",
        "corrupted": "a corrupted model (--model corrupted=...)",
        "top": "a clean or an ideal one (--model clean=...)",
    }
    given = {"clean": answers.clean, "corrupted": answers.corrupted, "top": answers.top}
    lacking = [flags[name] for name in references if not given[name]]
    return f"{what} needs {' and '.join(lacking)}" if lacking else ""


def missing_verdicts(asked: Iterable[JudgedAnswer]) -> str:
    """A note about facts of which some runs have a verdict and others none; empty where there are none."""
    model = said(asked)
    if len(model) == len(model.facts):
        return ""
    runs: dict[FactKey, list[bool]] = {}
    for item in model:
        runs.setdefault(item.fact, []).append(item.score is None)
    missing = sum(sum(unscored) for unscored in runs.values() if any(unscored) and not all(unscored))
    return f"answers without a verdict: {missing}; their facts count by their other runs" if missing else ""


@lru_cache(maxsize=128)
def clusters_of(facts: tuple[FactKey, ...]) -> Clusters:
    """Entities and seeds of facts.

    Where most entities occur in several seeds, the seeds ask about the same ones. Those of generated worlds share a
    name at times, and are not the same for that.
    """
    cells = {(entity, seed) for entity, _, seed in facts}
    names = {entity for entity, _ in cells}
    shared = len(names) < 0.75 * len(cells)
    labels = [entity if shared else (entity, seed) for entity, _, seed in facts]
    return Clusters.of(labels, [seed for _, _, seed in facts])


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

    @property
    def clusters(self) -> Clusters:
        """Of these facts."""
        return clusters_of(self.facts)

    def model(self, place: int) -> Floats:
        """The figures of one model."""
        return np.ascontiguousarray(self.values[:, place])


def paired(models: Sequence[Iterable[JudgedAnswer]], value: Read) -> Paired:
    """The figures of the same facts for several models, by name and not by place.

    Raises:
        ValueError: if they were not asked the same facts.
    """
    given = [said(asked) for asked in models]
    facts = given[0].facts
    table = np.stack([in_order(model, facts, model.values(value)) for model in given], axis=1)
    kept: NDArray[np.bool_] = np.all(np.isfinite(table), axis=1)
    if not kept.all():
        facts = tuple(fact for fact, keep in zip(facts, kept.tolist(), strict=True) if keep)
    return Paired(facts, table[kept], int((~kept).sum()))


def in_order(model: Said, facts: tuple[FactKey, ...], figures: NDArray[NumberT]) -> NDArray[NumberT]:
    """Figures of the facts of a model in the order of these, which are the same.

    Raises:
        ValueError: if they are not.
    """
    if model.facts == facts:
        return figures
    places = {fact: place for place, fact in enumerate(model.facts)}
    if places.keys() != set(facts):
        raise ValueError(f"arms asked different facts: {len(facts)} and {len(model.facts)}")
    return figures[[places[fact] for fact in facts]]


def stored(estimate: Estimate, *, note: str = "", n_unscored: int | None = None, certain: bool = False) -> Value:
    """A figure as it is stored. One that is `certain` follows from a definition and not from the facts."""
    low, high = (estimate.value, estimate.value) if certain else (estimate.low, estimate.high)
    return Value(
        value=estimate.value,
        ci_low=low,
        ci_high=high,
        n=estimate.n,
        n_entities=estimate.n_entities,
        n_unscored=estimate.n_unscored if n_unscored is None else n_unscored,
        note="; ".join(filter(None, [note, estimate.note]))
        if estimate.n_entities != 1 or estimate.value is None
        else note,
    )


def gained(
    pairs: Paired,
    clusters: Clusters | None = None,
    *,
    least: float,
    flat: Callable[[float, float], str],
    shares: bool = False,
    note: str = "",
    certain: bool = False,
) -> Value:
    """(arm - corrupted) / (top - corrupted) of the means of three models: the arm, the corrupted one and the top.

    Args:
        pairs: the figures of these models, in this order.
        clusters: what the interval is over; by default entities and seeds.
        least: the smallest top - corrupted for which the ratio is defined.
        flat: says why it is not, from the means of the top and the corrupted model.
        shares: whether the figures lie between 0 and 1.
        note: what to know about the figure.
        certain: whether it follows from a definition.
    """
    if not pairs.facts:
        return Value(value=None, n=0, n_unscored=pairs.unscored, note=NO_FACTS)
    _, corrupted, top = pairs.means
    clusters = clusters or pairs.clusters
    if top - corrupted < least:
        entities = clusters.n_entities
        why = flat(top, corrupted)
        return Value(value=None, n=len(pairs.facts), n_entities=entities, n_unscored=pairs.unscored, note=why)
    measure = restoration if shares else restored_mean
    estimate = measure(pairs.model(0), pairs.model(1), pairs.model(2), clusters)
    return stored(estimate, note=note, n_unscored=pairs.unscored, certain=certain)


def not_bitten(top_name: str) -> Callable[[float, float], str]:
    """Says why the corruption took nothing, from two accuracies: there was nothing to take, or it did not bite."""

    def why(top: float, corrupted: float) -> str:
        if top < SMALLEST_GAP:
            return f"undefined: the {top_name} model knows hardly any of these facts ({100 * top:.0f} %)"
        return (
            f"undefined: the corruption did not bite ({top_name} {100 * top:.0f} %, corrupted {100 * corrupted:.0f} %)"
        )

    return why


def mean_of(
    facts: tuple[FactKey, ...], values: Floats, *, shares: bool = False, note: str = "", lacking: str = ""
) -> Value:
    """The mean over facts with its interval.

    Args:
        facts: those asked.
        values: the figure of each, NaN where it has none: those are counted as unscored.
        shares: whether figures lie between 0 and 1; so does the interval then.
        note: what to know about the figure.
        lacking: why it is undefined, where no fact has one.
    """
    if not np.isfinite(values).any():
        why = lacking or (f"none of {len(facts)} facts has a figure" if facts else "no facts")
        return Value(value=None, n=0, n_unscored=len(facts), note=why)
    measure = share if shares else mean
    return stored(measure(values, clusters_of(facts)), note=note)
