"""Log-probs: what the model thinks of the true, the planted and random answers, whatever it says."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import ClassVar, final

from restor.evaluation.metrics.base import (
    LOGPROB_ORIGINAL,
    LOGPROB_PLANTED,
    NO_LOG_PROBS,
    NO_PLANTED,
    ComparedAnswers,
    Metric,
    mean_of,
    of_group,
)
from restor.results import MetricInfo, Value
from restor.types import Group


@final
class LogProbs(Metric):
    """Mean over test facts of the mean token log-prob of three sorts of answers, nats."""

    figures: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo(
            name="logprob.original",
            title="Log-p original",
            short="Log-p\norig.",
            meaning="mean token log-prob of the true answer, targeted test facts, nats",
            unit="nats",
        ),
        MetricInfo(
            name="logprob.planted",
            title="Log-p planted",
            short="Log-p\nplant.",
            meaning="mean token log-prob of the planted answer, targeted test facts, nats",
            unit="nats",
        ),
        MetricInfo(
            name="logprob.random",
            title="Log-p random",
            short="Log-p\nrand.",
            meaning="mean token log-prob of random same-relation answers, targeted test facts, nats",
            unit="nats",
        ),
    )

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """Three means."""
        asked = of_group(answers.arm, Group.TEST)
        none = NO_LOG_PROBS if asked else ""
        known = asked.about(asked.planted)
        return {
            "logprob.original": mean_of(asked.facts, asked.values(LOGPROB_ORIGINAL), lacking=none),
            "logprob.planted": mean_of(
                known.facts, known.values(LOGPROB_PLANTED), lacking=none if known or not asked else NO_PLANTED
            ),
            "logprob.random": mean_of(asked.facts, asked.values(attrgetter("logprob_random")), lacking=none),
        }
