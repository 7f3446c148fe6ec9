"""Log-probs: what the model thinks of the true, the planted and random answers, whatever it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from restor.evaluation.metrics.base import NO_PLANTED, Answers, Metric, mean_value, of_group, per_fact
from restor.results import Figure, Value
from restor.types import Group


@final
class LogProbs(Metric):
    """Mean over test facts of the mean token log-prob of three sorts of answers, nats."""

    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            name="logprob.original",
            title="Log-p original",
            short="Log-p\norig.",
            meaning="mean token log-prob of the true answer, targeted test facts, nats",
            unit="nats",
        ),
        Figure(
            name="logprob.planted",
            title="Log-p planted",
            short="Log-p\nplant.",
            meaning="mean token log-prob of the planted answer, targeted test facts, nats",
            unit="nats",
        ),
        Figure(
            name="logprob.random",
            title="Log-p random",
            short="Log-p\nrand.",
            meaning="mean token log-prob of random same-relation answers, targeted test facts, nats",
            unit="nats",
        ),
    )

    def compute(self, answers: Answers) -> Mapping[str, Value]:
        """Three means."""
        asked = of_group(answers.arm, Group.TEST)
        planted = any(item.planted for item in asked)
        none = "no log-probs were stored" if asked else ""
        return {
            "logprob.original": mean_value(per_fact(asked, lambda item: item.logprob_original), lacking=none),
            "logprob.planted": mean_value(
                per_fact((item for item in asked if item.planted), lambda item: item.logprob_planted),
                lacking=none if planted or not asked else NO_PLANTED,
            ),
            "logprob.random": mean_value(per_fact(asked, lambda item: item.logprob_random), lacking=none),
        }
