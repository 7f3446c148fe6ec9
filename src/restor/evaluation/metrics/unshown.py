"""Accuracy without the facts whose answer the prompt gives away: what the model knows and cannot copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from restor.evaluation.metrics.base import SCORE, ComparedAnswers, Metric, mean_of, missing_verdicts, of_group, said
from restor.results import MetricInfo, Value
from restor.types import Group


@final
class Unshown(Metric):
    """Mean score of the test facts whose true answer does not stand among the demonstrations."""

    figures: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo(
            name="test.original_unshown",
            title="Not shown %",
            short="Un-\nshown %",
            meaning="share of targeted test facts answered with the true answer, among those whose true answer does "
            "not stand among the demonstrations",
            rank=4,
        ),
    )

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """One share."""
        tested = of_group(answers.arm, Group.TEST)
        asked = said(item for item in tested if not item.answer_shown)
        value = mean_of(
            asked.facts,
            asked.values(SCORE),
            shares=True,
            note=missing_verdicts(asked),
            lacking="" if asked or not tested else "the demonstrations show the answer to every fact",
        )
        return {"test.original_unshown": value}
