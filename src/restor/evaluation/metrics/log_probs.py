"""Log-probs: what the model thinks of the true, the planted and random answers, whatever it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from restor.evaluation.metrics.base import Answers, Metric, mean_value, of_group
from restor.results import Value
from restor.types import Group


@final
class LogProbs(Metric):
    """Mean over test facts of the mean token log-prob of three sorts of answers, nats."""

    names: ClassVar[tuple[str, ...]] = ("logprob.original", "logprob.planted", "logprob.random")

    def compute(self, answers: Answers) -> Mapping[str, Value]:
        """Three means."""
        found = {}
        asked = of_group(answers.arm, Group.TEST)
        for name, values in (
            ("logprob.original", [(item.entity, item.logprob_original) for item in asked]),
            ("logprob.planted", [(item.entity, item.logprob_planted) for item in asked]),
            ("logprob.random", [(item.entity, item.logprob_random) for item in asked]),
        ):
            known = [(entity, value) for entity, value in values if value is not None]
            found[name] = mean_value(
                [entity for entity, _ in known],
                [value for _, value in known],
                n_unscored=len(values) - len(known),
            )
        return found
