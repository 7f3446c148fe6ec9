"""How far two judges agree on the same answers: confusion, share and Cohen's kappa. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, final

import numpy as np

from restor.errors import DataError
from restor.evaluation.metrics.base import STATES, stored
from restor.evaluation.statistics.clusters import Clusters, Floats
from restor.evaluation.statistics.estimates import of_totals, share
from restor.results import Value
from restor.types import Judgement

if TYPE_CHECKING:
    import pyarrow

AnswerKey: TypeAlias = tuple[str, int, str, str, int]
"""Arm, seed, subject, relation and run: one answer of one model."""


@final
@dataclass(frozen=True, slots=True)
class Judged:
    """An answer and what a judge made of it."""

    completion: str
    judgement: Judgement


@final
@dataclass(frozen=True, slots=True)
class Agreement:
    """Two judges over the answers that both have. Share and kappa leave out what either could not judge."""

    confusion: Mapping[tuple[Judgement, Judgement], int]
    """How often the first judge gave the one and the second the other, UNSCORED too."""
    share: Value
    """Of equal verdicts."""
    kappa: Value
    only_first: int
    """Answers that the second judge has not."""
    only_second: int
    other_answers: int
    """Answers of the same question that differ, so that their verdicts cannot be compared."""


def verdicts_of(facts: pyarrow.Table) -> dict[AnswerKey, Judged]:
    """The judged answers of facts.parquet.

    Raises:
        DataError: if an answer stands there twice.
    """
    names = ("arm", "seed", "subject", "relation", "run", "completion", "judgement")
    verdicts: dict[AnswerKey, Judged] = {}
    for arm, seed, subject, relation, run, completion, judgement in zip(
        *(facts.column(name).to_pylist() for name in names), strict=True
    ):
        key = (arm, seed, subject, relation, run)
        if key in verdicts:
            raise DataError(
                f"The facts have two answers of {arm} about {subject!r} ({relation}, run {run}). They cannot be "
                "compared; run the study again."
            )
        verdicts[key] = Judged(completion, Judgement(judgement))
    return verdicts


def agreement(first: Mapping[AnswerKey, Judged], second: Mapping[AnswerKey, Judged]) -> Agreement:
    """Compare two judges, with 95 % intervals over entities.

    Cohen's kappa (Educational and Psychological Measurement 20, 1960, pp. 37-46) is (p - e) / (1 - e), where p is the
    share of equal verdicts and e the share that two judges with these frequencies of verdicts would reach by chance.
    """
    shared = [key for key in first if key in second]
    same = [key for key in shared if first[key].completion == second[key].completion]
    confusion = {(a, b): 0 for a in Judgement for b in Judgement}
    entities, cells = [], []
    for key in same:
        a, b = first[key].judgement, second[key].judgement
        confusion[a, b] += 1
        if a in STATES and b in STATES:
            entities.append((key[2], key[1]))
            cells.append(len(STATES) * STATES.index(a) + STATES.index(b))
    unscored = len(same) - len(cells)
    none = Value(value=None, n=0, n_unscored=unscored, note="no answer that both judges have scored")
    clusters = Clusters.of(entities)
    kinds = np.eye(len(STATES) ** 2)[:, cells]
    equal = np.isin(cells, np.arange(len(STATES)) * (len(STATES) + 1)).astype(np.float64)
    return Agreement(
        confusion=confusion,
        share=stored(share(equal, clusters), n_unscored=unscored) if cells else none,
        kappa=_kappa(clusters.totals(kinds), clusters, unscored) if cells else none,
        only_first=len(first) - len(shared),
        only_second=len(second) - len(shared),
        other_answers=len(shared) - len(same),
    )


def _kappa(totals: Floats, clusters: Clusters, unscored: int) -> Value:
    estimate = of_totals(totals, _kappas, clusters)
    if estimate.value is None or not math.isfinite(estimate.value):
        note = "both judges give one and the same verdict to everything"
        return Value(value=None, n=estimate.n, n_entities=estimate.n_entities, n_unscored=unscored, note=note)
    value = stored(estimate, n_unscored=unscored)
    if value.ci_low is None or value.ci_high is None:
        return value
    return value.model_copy(update={"ci_low": max(-1.0, value.ci_low), "ci_high": min(1.0, value.ci_high)})


def _kappas(totals: Floats) -> Floats:
    """Cohen's kappa, counts of pairs of verdicts (R, 10) -> (R,); NaN where chance alone agrees on everything."""
    tables = totals[..., :-1].reshape(*totals.shape[:-1], len(STATES), len(STATES))
    total = np.maximum(totals[..., -1], 1.0)
    chance = (tables.sum(axis=-1) * tables.sum(axis=-2)).sum(axis=-1) / total**2
    agreed = np.trace(tables, axis1=-2, axis2=-1) / total
    apart = 1.0 - chance
    result: Floats = np.where(apart > 1e-12, (agreed - chance) / np.where(apart > 1e-12, apart, 1.0), np.nan)
    return result
