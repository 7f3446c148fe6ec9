"""Specificity: whether unlearning changed what it should and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.metrics.base import (
    NO_LOG_PROBS,
    Answers,
    FactKey,
    Floats,
    Metric,
    entity_sums,
    interval,
    mean_value,
    needs,
    of_group,
    per_fact,
    state_of,
)
from restor.results import STORED_ONLY, Figure, Value
from restor.types import Group, Judgement

LEAST_CHANGED = 0.02
"""Where the shares of changed facts of both groups together are below this, too little changed to say where."""
LEAST_MOVED = 0.02
"""The same for mean absolute differences of log-probs, nats."""

Changes = Mapping[FactKey, float | None]


@final
class Specificity(Metric):
    """How much of the change from the corrupted model to the arm falls on targeted facts.

    With t the rate of change of targeted test facts and u that of untouched ones, specificity is t / (t + u): 1 where
    only targeted facts changed, 0.5 where both did alike, 0 where only the others did. As rates are compared, the sizes
    of the groups do not matter. Change is either another judgement of the answer (`answers`) or the absolute difference
    of the log-prob of the true answer in nats (`logprob`), which also sees what does not yet change an answer. Any
    change counts, for better or worse: restoration and damage say which.

    The literature on model editing calls something else specificity: the share of prompts about neighbouring subjects
    whose answer an edit leaves right (ROME, arXiv 2202.05262, and MEMIT, arXiv 2210.07229, as neighbourhood success).
    That is about untouched facts alone, so that an arm that does nothing is perfectly specific. Here it is undefined,
    as nothing changed. What comes nearest to theirs is `collateral.corrupted`.

    The bootstrap draws from the entities of both groups together.
    """

    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            name="changed.test",
            title="Changed %",
            short="Chan-\nged %",
            meaning="share of targeted test facts whose judgement is another than the corrupted model's",
            rank=STORED_ONLY,
        ),
        Figure(
            name="changed.untouched",
            title="Changed untouched %",
            short="Changed\nuntouched %",
            meaning="share of facts about untouched entities whose judgement is another than the corrupted model's",
            rank=STORED_ONLY,
        ),
        Figure(
            name="specificity.answers",
            title="Specificity %",
            short="Speci-\nficity %",
            meaning="t / (t + u), with t and u the shares of targeted and untouched facts whose judgement is another "
            "than the corrupted model's; 0.5 is no preference",
            rank=STORED_ONLY,
        ),
        Figure(
            name="specificity.logprob",
            title="Specificity, log-p %",
            short="Specif.\nlog-p %",
            meaning="the same, with t and u the mean absolute differences to the corrupted model in the log-prob of "
            "the true answer",
            rank=STORED_ONLY,
        ),
    )

    def compute(self, answers: Answers) -> Mapping[str, Value]:
        """Two rates of change, and how specific it is by answers and by log-probs."""
        if missing := needs("specificity", answers, "corrupted"):
            return {figure.name: Value(value=None, n=0, note=missing) for figure in self.figures}
        said = {group: _judgements(answers, group) for group in (Group.TEST, Group.UNTOUCHED)}
        held = {group: _log_probs(answers, group) for group in (Group.TEST, Group.UNTOUCHED)}
        return {
            "changed.test": mean_value(said[Group.TEST]),
            "changed.untouched": mean_value(
                said[Group.UNTOUCHED], lacking="" if said[Group.UNTOUCHED] else "no facts about untouched entities"
            ),
            "specificity.answers": _specificity(said, LEAST_CHANGED, "no scored facts"),
            "specificity.logprob": _specificity(held, LEAST_MOVED, NO_LOG_PROBS),
        }


def _judgements(answers: Answers, group: Group) -> Changes:
    arm, corrupted = (state_of(of_group(asked, group)) for asked in (answers.arm, answers.corrupted))
    _check(arm, corrupted)
    return {
        fact: None if Judgement.UNSCORED in (state, corrupted[fact]) else float(state is not corrupted[fact])
        for fact, state in arm.items()
    }


def _log_probs(answers: Answers, group: Group) -> Changes:
    arm, corrupted = (
        per_fact(of_group(asked, group), lambda item: item.logprob_original)
        for asked in (answers.arm, answers.corrupted)
    )
    _check(arm, corrupted)
    changes: dict[FactKey, float | None] = {}
    for fact, own in arm.items():
        before = corrupted[fact]
        changes[fact] = None if own is None or before is None else abs(own - before)
    return changes


def _check(arm: Mapping[FactKey, object], corrupted: Mapping[FactKey, object]) -> None:
    if arm.keys() != corrupted.keys():
        raise ValueError(f"arms asked different facts: {len(arm)}, {len(corrupted)}")


def _specificity(changes: Mapping[Group, Changes], least: float, unknown: str) -> Value:
    known = {
        group: {fact: change for fact, change in found.items() if change is not None}
        for group, found in changes.items()
    }
    unscored = sum(len(changes[group]) - len(known[group]) for group in changes)
    for group, words in ((Group.TEST, "targeted"), (Group.UNTOUCHED, "untouched")):
        if not known[group]:
            why = unknown if changes[group] else f"no facts about {words} entities"
            return Value(value=None, n=0, n_unscored=unscored, note=why)
    # An entity has one place, whichever group its facts are of.
    entities = [entity for found in known.values() for entity, _ in found]
    of_test = np.array([group is Group.TEST for group, found in known.items() for _ in found], dtype=np.float64)
    change = np.array([value for found in known.values() for value in found.values()], dtype=np.float64)
    t_sum, t_count, u_sum, u_count = (
        entity_sums(entities, values)[0] for values in (change * of_test, of_test, change * (1 - of_test), 1 - of_test)
    )
    t, u = float(t_sum.sum() / t_count.sum()), float(u_sum.sum() / u_count.sum())
    about = Value(value=None, n=len(entities), n_entities=len(t_sum), n_unscored=unscored)
    if t + u < least:
        return about.model_copy(update={"note": "undefined: hardly anything changed against the corrupted model"})

    def ratio(drawn: NDArray[np.intp]) -> Floats:
        own, others = (
            sums[drawn].sum(axis=1) / np.maximum(counts[drawn].sum(axis=1), 1)
            for sums, counts in ((t_sum, t_count), (u_sum, u_count))
        )
        both = np.minimum(t_count[drawn].sum(axis=1), u_count[drawn].sum(axis=1)) > 0
        both &= own + others > 0
        return np.where(both, own / np.where(both, own + others, 1.0), np.nan)

    alone = min(np.count_nonzero(t_count), np.count_nonzero(u_count)) < 2
    low, high = (None, None) if alone else interval(ratio, len(t_sum))
    return about.model_copy(update={"value": t / (t + u), "ci_low": low, "ci_high": high})
