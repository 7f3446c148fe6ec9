"""Accuracy: how near answers are to the truth and to what was planted, targeted and untouched facts apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from restor.evaluation.metrics.base import (
    NO_PLANTED,
    PLANTED_SCORE,
    SCORE,
    ComparedAnswers,
    Metric,
    Read,
    mean_of,
    missing_verdicts,
    of_group,
    other_score,
)
from restor.results import MetricInfo, Value
from restor.types import Group

_SCORES: dict[str, Read] = {"original": SCORE, "planted": PLANTED_SCORE, "other": other_score}


@final
class Accuracy(Metric):
    """Mean score, mean planted score and the rest of the scored answers; the unscored are counted beside them.

    Where answers are right or wrong these are the shares of ORIGINAL, PLANTED and OTHER.
    Where no planted answer is known, nothing can be said about it: an answer is then original or other.
    """

    figures: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo(
            name="test.original",
            title="Original %",
            short="Orig.\n%",
            meaning="share of targeted test facts answered with the true answer",
            rank=0,
        ),
        MetricInfo(
            name="test.planted",
            title="Planted %",
            short="Planted\n%",
            meaning="share of targeted test facts answered with the planted answer (residual corruption)",
            rank=0,
        ),
        MetricInfo(
            name="test.other",
            title="Other %",
            short="Other\n%",
            meaning="share of targeted test facts answered with anything else",
            rank=0,
        ),
        MetricInfo(
            name="untouched.original",
            title="Untouched %",
            short="Un-\ntouched",
            meaning="share of facts about untouched entities answered with the true answer",
            rank=0,
        ),
    )

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """Four shares."""
        values = {}
        groups = {group: of_group(answers.arm, group) for group in (Group.TEST, Group.UNTOUCHED)}
        notes = {group: missing_verdicts(asked) for group, asked in groups.items()}
        for figure in self.figures:
            group, what = figure.name.split(".")
            asked = groups[Group(group)]
            if what == "planted" and asked and not any(item.planted for item in asked):
                values[figure.name] = Value(value=None, n=0, note=NO_PLANTED)
                continue
            scores = asked.values(_SCORES[what])
            values[figure.name] = mean_of(asked.facts, scores, shares=True, note=notes[Group(group)])
        return values
