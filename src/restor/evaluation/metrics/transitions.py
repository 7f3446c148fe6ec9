"""Transitions: the way of each fact over the clean, the corrupted and the unlearned model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.metrics.base import (
    NO_PLANTED,
    STATES,
    ComparedAnswers,
    FactKey,
    Metric,
    in_order,
    mean_of,
    needs,
    of_group,
    states_of,
)
from restor.results import STORED_ONLY, MetricInfo, Value
from restor.types import Group, Judgement


class Transition(StrEnum):
    """What became of a fact. Each fact that is scored for all three models is exactly one of these."""

    RESTORED = "restored"
    """Clean right, corrupted wrong, arm right."""
    STILL_PLANTED = "still_planted"
    """Clean right, corrupted wrong, arm the planted answer; also where the corrupted model gave another wrong one."""
    MOVED_TO_OTHER = "moved_to_other"
    """Clean right, corrupted wrong, arm wrong but not the planted answer; also where it was so before."""
    NEVER_DAMAGED = "never_damaged"
    """Clean, corrupted and arm right."""
    NEWLY_DAMAGED = "newly_damaged"
    """Clean and corrupted right, arm wrong."""
    GAINED = "gained"
    """Clean wrong, arm right."""
    NEVER_KNOWN = "never_known"
    """Clean wrong, arm wrong."""


MEANINGS = {
    Transition.RESTORED: "right for the clean model, wrong for the corrupted one, right for the arm",
    Transition.STILL_PLANTED: "right for the clean model, wrong for the corrupted one, the planted answer for the arm",
    Transition.MOVED_TO_OTHER: "right for the clean model, wrong for the corrupted one, another wrong answer for the "
    "arm",
    Transition.NEVER_DAMAGED: "right for the clean model, the corrupted one and the arm",
    Transition.NEWLY_DAMAGED: "right for the clean model and the corrupted one, wrong for the arm",
    Transition.GAINED: "wrong for the clean model, right for the arm",
    Transition.NEVER_KNOWN: "wrong for the clean model and the arm",
}
_SHORT = {
    Transition.RESTORED: "rest-\nored %",
    Transition.STILL_PLANTED: "still\nplanted %",
    Transition.MOVED_TO_OTHER: "moved to\nother %",
    Transition.NEVER_DAMAGED: "never\ndamaged %",
    Transition.NEWLY_DAMAGED: "newly\ndamaged %",
    Transition.GAINED: "gai-\nned %",
    Transition.NEVER_KNOWN: "never\nknown %",
}


@final
@dataclass(frozen=True, slots=True)
class TransitionMatrix:
    """How many facts took each way."""

    counts: NDArray[np.int64]
    """(3, 3, 3): clean, corrupted, arm, each in the order of `STATES`."""
    unscored: int
    """Facts without a verdict for one of the three, in no cell."""


def _named(group: Group, transition: Transition) -> str:
    return f"transition.{'untouched.' if group is Group.UNTOUCHED else ''}{transition}"


def _figure(group: Group, transition: Transition) -> MetricInfo:
    untouched = group is Group.UNTOUCHED
    facts = "facts about untouched entities" if untouched else "targeted test facts"
    title = transition.replace("_", " ")
    return MetricInfo(
        name=_named(group, transition),
        title=f"Untouched {title} %" if untouched else f"{title.capitalize()} %",
        short=f"Un. {_SHORT[transition]}" if untouched else _SHORT[transition].capitalize(),
        meaning=f"share of {facts}: {MEANINGS[transition]}",
        rank=STORED_ONLY,
    )


# About untouched entities nothing is planted.
_CELLS = [(Group.TEST, transition) for transition in Transition]
_CELLS += [(Group.UNTOUCHED, transition) for transition in Transition if transition is not Transition.STILL_PLANTED]


_PLACES = {way: place for place, way in enumerate(Transition)}


@final
class Transitions(Metric):
    """Share of each transition among the facts that are scored for all three models; the others are unscored.

    The shares of a group add up to 1. An answer is what its scores are most of: original, planted, or the rest, other.
    A fact that was asked several times counts by the means of its runs, and of equal ones by the last of these three,
    so that a doubt is no knowledge.
    """

    figures: ClassVar[tuple[MetricInfo, ...]] = tuple(_figure(group, transition) for group, transition in _CELLS)

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """A share for each transition and group."""
        if missing := needs("the way of a fact", answers, "clean", "corrupted"):
            return {figure.name: Value(value=None, n=0, note=missing) for figure in self.figures}
        planted = any(item.planted for item in of_group(answers.arm, Group.TEST))
        values = {}
        for group in (Group.TEST, Group.UNTOUCHED):
            facts, ways = _ways(answers, group)
            kinds = _TABLE[*ways]
            known = (ways >= 0).all(axis=0)
            for transition in (transition for cell_group, transition in _CELLS if cell_group is group):
                if transition is Transition.STILL_PLANTED and facts and not planted:
                    values[_named(group, transition)] = Value(value=None, n=0, note=NO_PLANTED)
                    continue
                shares = np.where(known, kinds == _PLACES[transition], np.nan)
                values[_named(group, transition)] = mean_of(facts, shares, shares=True)
        return {figure.name: values[figure.name] for figure in self.figures}


def transition(clean: Judgement, corrupted: Judgement, arm: Judgement) -> Transition | None:
    """What became of a fact with these verdicts; None where one is missing."""
    if Judgement.UNSCORED in (clean, corrupted, arm):
        return None
    right = arm is Judgement.ORIGINAL
    if clean is not Judgement.ORIGINAL:
        return Transition.GAINED if right else Transition.NEVER_KNOWN
    if corrupted is Judgement.ORIGINAL:
        return Transition.NEVER_DAMAGED if right else Transition.NEWLY_DAMAGED
    if right:
        return Transition.RESTORED
    return Transition.STILL_PLANTED if arm is Judgement.PLANTED else Transition.MOVED_TO_OTHER


_TABLE = np.array(
    [
        [[_PLACES[way] for arm in STATES if (way := transition(clean, before, arm))] for before in STATES]
        for clean in STATES
    ]
)
"""The place of a transition by places of clean model, corrupted model and arm."""


def transition_matrix(answers: ComparedAnswers, group: Group) -> TransitionMatrix:
    """How many facts of a group took each way from the clean over the corrupted model to the arm.

    Raises:
        ValueError: if the models were not asked the same facts.
    """
    counts = np.zeros((len(STATES),) * 3, dtype=np.int64)
    _, ways = _ways(answers, group)
    known = (ways >= 0).all(axis=0)
    np.add.at(counts, tuple(ways[:, known]), 1)
    return TransitionMatrix(counts, int((~known).sum()))


def _ways(answers: ComparedAnswers, group: Group) -> tuple[tuple[FactKey, ...], NDArray[np.intp]]:
    """The facts, and the states of clean model, corrupted model and arm as places in `STATES`, (3, F); -1 unscored."""
    models = [of_group(asked, group) for asked in (answers.arm, answers.clean, answers.corrupted)]
    facts = models[0].facts
    arm, clean, corrupted = (in_order(model, facts, states_of(model)) for model in models)
    return facts, np.stack([clean, corrupted, arm])
