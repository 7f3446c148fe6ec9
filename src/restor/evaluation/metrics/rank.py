"""Rank: where the true answer stands among the candidates of its relation, the planted answer being one of them.

`runner_up` excludes the planted answer and so tells what suppressing it would reveal. Here it competes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from restor.evaluation.metrics.base import ComparedAnswers, JudgedAnswer, Metric, mean_of, of_group
from restor.results import STORED_ONLY, MetricInfo, Value
from restor.types import Group


@final
class Rank(Metric):
    """Share of test facts whose true answer comes first by log-prob, and the mean of 1 / rank.

    Where no planted answer is known, the other candidates are all there is. Of equal log-probs the true answer counts
    as the first. Facts about untouched entities are not ranked: they are asked for no candidates.
    """

    figures: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo(
            name="rank.first",
            title="Ranked first %",
            short="Ranked\nfirst %",
            meaning="share of targeted test facts whose true answer comes first among the candidates and the planted "
            "answer",
            rank=STORED_ONLY,
        ),
        MetricInfo(
            name="rank.reciprocal",
            title="Mean reciprocal rank",
            short="Mean\n1 / rank",
            meaning="mean over targeted test facts of 1 / rank of the true answer among the candidates and the planted "
            "answer",
            rank=STORED_ONLY,
        ),
    )

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """A share and a mean."""
        asked = of_group(answers.arm, Group.TEST)
        why = "no candidates were ranked" if asked else ""
        return {
            "rank.first": mean_of(asked.facts, asked.values(_first), shares=True, lacking=why),
            "rank.reciprocal": mean_of(asked.facts, asked.values(_reciprocal), shares=True, lacking=why),
        }


def rank_of(item: JudgedAnswer) -> int | None:
    """Place of the true answer among the candidates and the planted answer; 1 is best."""
    if item.rank_original is None:
        return None
    original, planted = item.logprob_original, item.logprob_planted
    return item.rank_original + int(original is not None and planted is not None and planted > original)


def _first(item: JudgedAnswer) -> float | None:
    rank = rank_of(item)
    return None if rank is None else float(rank == 1)


def _reciprocal(item: JudgedAnswer) -> float | None:
    rank = rank_of(item)
    return None if rank is None else 1 / rank
