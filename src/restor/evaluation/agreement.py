"""How far two judges agree on the same answers: confusion, share and Cohen's kappa. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from restor.errors import DataError
from restor.evaluation.metrics.base import STATES, Floats, interval
from restor.results import Value
from restor.types import Judgement

if TYPE_CHECKING:
    import pyarrow

AnswerKey: TypeAlias = tuple[str, int, str, str, int]
"""Arm, seed, subject, relation and run: one answer of one model."""

_Statistic: TypeAlias = Callable[[Floats], Floats]


_CHUNK = 100
"""Bootstrap draws that are summed at a time, so that many entities fit into memory."""


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
    found: dict[AnswerKey, Judged] = {}
    for arm, seed, subject, relation, run, completion, judgement in zip(
        *(facts.column(name).to_pylist() for name in names), strict=True
    ):
        key = (arm, seed, subject, relation, run)
        if key in found:
            raise DataError(
                f"The facts have two answers of {arm} about {subject!r} ({relation}, run {run}). They cannot be "
                "compared; run the study again."
            )
        found[key] = Judged(completion, Judgement(judgement))
    return found


def agreement(first: Mapping[AnswerKey, Judged], second: Mapping[AnswerKey, Judged]) -> Agreement:
    """Compare two judges, with 95 % intervals from a bootstrap over entities.

    Cohen's kappa (Educational and Psychological Measurement 20, 1960, pp. 37-46) is (p - e) / (1 - e), where p is the
    share of equal verdicts and e the share that two judges with these frequencies of verdicts would reach by chance.
    """
    shared = [key for key in first if key in second]
    same = [key for key in shared if first[key].completion == second[key].completion]
    confusion = {(a, b): 0 for a in Judgement for b in Judgement}
    entities: dict[tuple[str, int], NDArray[np.float64]] = {}
    unscored = 0
    for key in same:
        a, b = first[key].judgement, second[key].judgement
        confusion[a, b] += 1
        if a in STATES and b in STATES:
            own = entities.setdefault((key[2], key[1]), np.zeros((3, 3)))
            own[STATES.index(a), STATES.index(b)] += 1
        else:
            unscored += 1
    counts = np.stack(list(entities.values())) if entities else np.zeros((0, 3, 3))
    return Agreement(
        confusion=confusion,
        share=_value(counts, _shares, unscored, ""),
        kappa=_value(counts, _kappas, unscored, "both judges give one and the same verdict to everything"),
        only_first=len(first) - len(shared),
        only_second=len(second) - len(shared),
        other_answers=len(shared) - len(same),
    )


def _value(counts: Floats, statistic: _Statistic, unscored: int, undefined: str) -> Value:
    """A statistic of the confusion per entity, counts (E, 3, 3)."""
    n = int(counts.sum())
    if n == 0:
        return Value(value=None, n=0, n_unscored=unscored, note="no answer that both judges have scored")

    def resampled(rows: NDArray[np.intp]) -> Floats:
        chunks = (rows[at : at + _CHUNK] for at in range(0, len(rows), _CHUNK))
        return np.concatenate([statistic(counts[chunk].sum(axis=1)) for chunk in chunks])

    value = float(statistic(counts.sum(axis=0)[None])[0])
    low, high = interval(resampled, len(counts))
    known = bool(np.isfinite(value))
    return Value(
        value=value if known else None,
        ci_low=low if known else None,
        ci_high=high if known else None,
        n=n,
        n_entities=len(counts),
        n_unscored=unscored,
        note="" if known else undefined,
    )


def _shares(tables: Floats) -> Floats:
    """Equal verdicts, tables (R, 3, 3) -> (R,)."""
    agreed: Floats = np.trace(tables, axis1=1, axis2=2) / tables.sum(axis=(1, 2))
    return agreed


def _kappas(tables: Floats) -> Floats:
    """Cohen's kappa, tables (R, 3, 3) -> (R,); NaN where chance alone agrees on everything."""
    total = tables.sum(axis=(1, 2))
    chance = (tables.sum(axis=2) * tables.sum(axis=1)).sum(axis=1) / total**2
    agreed = _shares(tables)
    apart = 1.0 - chance
    safe = np.where(apart > 1e-12, apart, 1.0)
    return np.where(apart > 1e-12, (agreed - chance) / safe, np.nan)
