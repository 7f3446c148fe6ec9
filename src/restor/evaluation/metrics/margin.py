"""Margin: how far the model prefers the true answer to the planted one, whatever it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np

from restor.evaluation.metrics.base import (
    LOGPROB_ORIGINAL,
    NO_LOG_PROBS,
    NO_PLANTED,
    ComparedAnswers,
    FactKey,
    JudgedAnswer,
    Metric,
    Read,
    gained,
    mean_of,
    needs,
    of_group,
    paired,
)
from restor.results import STORED_ONLY, MetricInfo, Value
from restor.types import Group

SMALLEST_MARGIN_GAP = 0.1
"""Below this difference of ideal and corrupted mean, nats, the corruption did not move the log-probs."""


@final
class Margin(Metric):
    """Log-prob of the true answer less that of the planted one, mean per token each, of test facts.

    Restoration is also measured in it: (arm - corrupted) / (ideal - corrupted) of the mean margin. The margin grows by
    a likelier true answer as by an unlikelier planted one, so the same is done with the log-prob of the true answer
    alone. A model whose planted answers are only suppressed has much of the first and hardly any of the second. Neither
    ends at 1, as log-probs have no upper end near the ideal's.
    """

    figures: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo(
            name="margin.mean",
            title="Margin",
            short="Mar-\ngin",
            meaning="mean over targeted test facts of the log-prob of the true answer less that of the planted one, "
            "nats",
            unit="nats",
            rank=STORED_ONLY,
        ),
        MetricInfo(
            name="margin.positive",
            title="Margin above 0 %",
            short="Margin\n> 0 %",
            meaning="share of targeted test facts whose true answer is likelier than the planted one",
            rank=STORED_ONLY,
        ),
        MetricInfo(
            name="margin.restoration",
            title="Restoration, margin % [95 %]",
            short="Rest. margin\n% [95 %]",
            meaning="(arm - corrupted) / (ideal - corrupted), of margin.mean; where there is no ideal model, the clean "
            "one takes its place",
            unit="ratio",
            rank=STORED_ONLY,
        ),
        MetricInfo(
            name="logprob.restoration",
            title="Restoration, log-p % [95 %]",
            short="Rest. log-p\n% [95 %]",
            meaning="(arm - corrupted) / (ideal - corrupted), of logprob.original; where there is no ideal model, the "
            "clean one takes its place",
            unit="ratio",
            rank=STORED_ONLY,
        ),
    )

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """The mean, the share above 0, and restoration in two log-probs."""
        tested = of_group(answers.arm, Group.TEST)
        asked = tested.about(tested.planted)
        margins = asked.values(margin_of)
        why = "" if not tested else NO_LOG_PROBS if asked else NO_PLANTED
        positive = np.where(np.isfinite(margins), margins > 0, np.nan)
        return {
            "margin.mean": mean_of(asked.facts, margins, lacking=why),
            "margin.positive": mean_of(asked.facts, positive, shares=True, lacking=why),
            "margin.restoration": _restored(answers, margin_of, tested.planted, why),
            "logprob.restoration": _restored(
                answers, LOGPROB_ORIGINAL, frozenset(tested.facts), NO_LOG_PROBS if tested else ""
            ),
        }


def margin_of(item: JudgedAnswer) -> float | None:
    """Log-prob of the true answer less that of the planted one."""
    if item.logprob_original is None or item.logprob_planted is None:
        return None
    return item.logprob_original - item.logprob_planted


def _restored(answers: ComparedAnswers, value: Read, facts: frozenset[FactKey], why: str) -> Value:
    if missing := needs("restoration", answers, "corrupted", "top"):
        return Value(value=None, n=0, note=missing)
    models = [of_group(asked, Group.TEST).about(facts) for asked in (answers.arm, answers.corrupted, answers.top)]
    pairs = paired(models, value)
    if not pairs.facts:
        return Value(value=None, n=0, n_unscored=pairs.unscored, note=why or "no facts")

    def flat(top: float, corrupted: float) -> str:
        name = answers.top_name
        return f"undefined: the corruption did not move it ({name} {top:.2f} nats, corrupted {corrupted:.2f})"

    return gained(pairs, least=SMALLEST_MARGIN_GAP, flat=flat, certain=answers.by_definition is not None)
