"""Specificity: whether unlearning changed what it should and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeAlias, final

import numpy as np

from restor.evaluation.metrics.base import (
    LOGPROB_ORIGINAL,
    NO_FACTS,
    NO_LOG_PROBS,
    ComparedAnswers,
    FactKey,
    Metric,
    clusters_of,
    in_order,
    mean_of,
    needs,
    of_group,
    states_of,
    stored,
)
from restor.evaluation.statistics.clusters import Floats
from restor.evaluation.statistics.estimates import part_of
from restor.results import STORED_ONLY, MetricInfo, Value
from restor.types import Group

LEAST_CHANGED = 0.02
"""Where the shares of changed facts of both groups together are below this, too little changed to say where."""
LEAST_MOVED = 0.02
"""The same for mean absolute differences of log-probs, nats."""

Changes: TypeAlias = tuple[tuple[FactKey, ...], Floats]
"""Per fact; NaN where it is not known."""


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

    The interval is over the entities of both groups together.
    """

    figures: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo(
            name="changed.test",
            title="Changed %",
            short="Chan-\nged %",
            meaning="share of targeted test facts whose judgement is another than the corrupted model's",
            rank=STORED_ONLY,
        ),
        MetricInfo(
            name="changed.untouched",
            title="Changed untouched %",
            short="Changed\nuntouched %",
            meaning="share of facts about untouched entities whose judgement is another than the corrupted model's",
            rank=STORED_ONLY,
        ),
        MetricInfo(
            name="specificity.answers",
            title="Specificity %",
            short="Speci-\nficity %",
            meaning="t / (t + u), with t and u the shares of targeted and untouched facts whose judgement is another "
            "than the corrupted model's; 0.5 is no preference",
            rank=STORED_ONLY,
        ),
        MetricInfo(
            name="specificity.logprob",
            title="Specificity, log-p %",
            short="Specif.\nlog-p %",
            meaning="the same, with t and u the mean absolute differences to the corrupted model in the log-prob of "
            "the true answer",
            rank=STORED_ONLY,
        ),
    )

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """Two rates of change, and how specific it is by answers and by log-probs."""
        if missing := needs("specificity", answers, "corrupted"):
            return {figure.name: Value(value=None, n=0, note=missing) for figure in self.figures}
        itself = answers.arm is answers.corrupted
        spoken = {group: _judgements(answers, group) for group in (Group.TEST, Group.UNTOUCHED)}
        held = {group: _log_probs(answers, group) for group in (Group.TEST, Group.UNTOUCHED)}
        values = {
            "changed.test": mean_of(*spoken[Group.TEST], shares=True),
            "changed.untouched": mean_of(
                *spoken[Group.UNTOUCHED],
                shares=True,
                lacking="" if spoken[Group.UNTOUCHED][0] else "no facts about untouched entities",
            ),
        }
        if itself:
            same = {"ci_low": 0.0, "ci_high": 0.0}
            values = {name: value.model_copy(update=same) if value.n else value for name, value in values.items()}
        return {
            **values,
            "specificity.answers": _specificity(spoken, LEAST_CHANGED, NO_FACTS, shares=True),
            "specificity.logprob": _specificity(held, LEAST_MOVED, NO_LOG_PROBS, shares=False),
        }


def _judgements(answers: ComparedAnswers, group: Group) -> Changes:
    models = [of_group(asked, group) for asked in (answers.arm, answers.corrupted)]
    facts = models[0].facts
    arm, corrupted = (in_order(model, facts, states_of(model)) for model in models)
    return facts, np.where((arm < 0) | (corrupted < 0), np.nan, arm != corrupted)


def _log_probs(answers: ComparedAnswers, group: Group) -> Changes:
    models = [of_group(asked, group) for asked in (answers.arm, answers.corrupted)]
    facts = models[0].facts
    arm, corrupted = (in_order(model, facts, model.values(LOGPROB_ORIGINAL)) for model in models)
    return facts, np.abs(arm - corrupted)


def _specificity(changes: Mapping[Group, Changes], least: float, unknown: str, *, shares: bool) -> Value:
    facts = [fact for changed, _ in changes.values() for fact in changed]
    change = np.concatenate([values for _, values in changes.values()])
    of_test = np.concatenate(
        [np.full(len(changed), float(group is Group.TEST)) for group, (changed, _) in changes.items()]
    )
    known = np.isfinite(change)
    unscored = int((~known).sum())
    for group, words in ((Group.TEST, "targeted"), (Group.UNTOUCHED, "untouched")):
        changed = changes[group][1]
        if not np.isfinite(changed).any():
            why = unknown if len(changed) else f"no facts about {words} entities"
            return Value(value=None, n=0, n_unscored=unscored, note=why)
    # An entity has one place, whichever group its facts are of.
    clusters = clusters_of(tuple(fact for fact, keep in zip(facts, known.tolist(), strict=True) if keep))
    change, of_test = change[known], of_test[known]
    totals = clusters.totals(np.stack([change * of_test, of_test, change * (1 - of_test)]))
    t_sum, t_count, u_sum, count = totals.sum(axis=0).tolist()
    if t_sum / t_count + u_sum / (count - t_count) < least:
        note = "undefined: hardly anything changed against the corrupted model"
        n = clusters.n_facts
        return Value(value=None, n=n, n_entities=clusters.n_entities, n_unscored=unscored, note=note)
    # what one fact more would change, of the group that changed less
    rates = (t_sum / t_count, u_sum / (count - t_count))
    one = (1 / t_count if rates[0] < rates[1] else 1 / (count - t_count)) / sum(rates) if shares else 0.0
    return stored(part_of(totals, _ratio, clusters, one), n_unscored=unscored)


def _ratio(totals: Floats) -> Floats:
    """t / (t + u) from totals (..., 4): changes of targeted facts, their number, changes of others, all facts."""
    t_sum, t_count, u_sum, count = np.moveaxis(totals, -1, 0)
    u_count = count - t_count
    both = (t_count > 0) & (u_count > 0)
    target_mean, others = t_sum / np.where(both, t_count, 1.0), u_sum / np.where(both, u_count, 1.0)
    both = both & (target_mean + others > 0)
    result: Floats = np.where(both, target_mean / np.where(both, target_mean + others, 1.0), np.nan)
    return result
